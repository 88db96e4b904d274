"""The finished mesh with its photographs on it."""

from typing import Any

import numpy as np
from OpenGL import GL
from pyqtgraph.opengl.GLGraphicsItem import GLGraphicsItem
from PySide6.QtGui import QImage
from PySide6.QtOpenGL import QOpenGLBuffer, QOpenGLShader, QOpenGLShaderProgram, QOpenGLTexture

from engine.core.surface import TexturedMesh

FLOAT_BYTES = 4

_VERTEX = """#version 150
uniform mat4 u_mvp;
in vec3 a_position;
in vec2 a_uv;
out vec2 v_uv;
void main() {
    v_uv = a_uv;
    gl_Position = u_mvp * vec4(a_position, 1.0);
}
"""
# No lamp: the photographs carry the light of the room.
_FRAGMENT = """#version 150
uniform sampler2D u_texture;
in vec2 v_uv;
out vec4 color;
void main() { color = vec4(texture(u_texture, v_uv).rgb, 1.0); }
"""


class TexturedItem(GLGraphicsItem):  # type: ignore[misc]  # pyqtgraph ships no types
    """One textured mesh, uploaded once, when it is first painted."""

    def __init__(self, textured: TexturedMesh) -> None:
        """Keep the mesh until there is a context to upload it to."""
        super().__init__()
        self.setGLOptions({GL.GL_DEPTH_TEST: True, GL.GL_BLEND: False, GL.GL_CULL_FACE: True})
        self._waiting: TexturedMesh | None = textured
        self._corner_count = textured.mesh.faces.size
        self._program = QOpenGLShaderProgram()
        self._vertices = QOpenGLBuffer(QOpenGLBuffer.Type.VertexBuffer)
        self._faces = QOpenGLBuffer(QOpenGLBuffer.Type.IndexBuffer)
        self._texture: QOpenGLTexture | None = None

    @property
    def is_uploaded(self) -> bool:
        """Whether the graphics card has it."""
        return self._waiting is None

    def release(self) -> None:
        """Free what the graphics card holds; the view's context must be current."""
        if self._texture is not None:
            self._texture.destroy()
        self._vertices.destroy()
        self._faces.destroy()
        self._program.removeAllShaders()

    def paint(self) -> None:
        """Draw, uploading first if need be; pyqtgraph calls this with the context current."""
        if self._waiting is not None:
            self._upload(self._waiting)
            self._waiting = None
        if self._texture is None:
            return
        self.setupGLState()
        self._program.bind()
        self._program.setUniformValue(self._program.uniformLocation("u_mvp"), self.mvpMatrix())
        self._texture.bind(0)
        self._vertices.bind()
        position, uv = (self._program.attributeLocation(n) for n in ("a_position", "a_uv"))
        stride = 5 * FLOAT_BYTES
        self._program.setAttributeBuffer(position, GL.GL_FLOAT, 0, 3, stride)
        self._program.setAttributeBuffer(uv, GL.GL_FLOAT, 3 * FLOAT_BYTES, 2, stride)
        for location in (position, uv):
            self._program.enableAttributeArray(location)
        self._faces.bind()
        GL.glDrawElements(GL.GL_TRIANGLES, self._corner_count, GL.GL_UNSIGNED_INT, None)
        for location in (position, uv):
            self._program.disableAttributeArray(location)
        self._faces.release()
        self._vertices.release()
        self._texture.release()
        self._program.release()

    def _upload(self, textured: TexturedMesh) -> None:
        self._program.addShaderFromSourceCode(QOpenGLShader.ShaderTypeBit.Vertex, _VERTEX)
        self._program.addShaderFromSourceCode(QOpenGLShader.ShaderTypeBit.Fragment, _FRAGMENT)
        # Some drivers draw nothing unless attribute 0 is an array.
        self._program.bindAttributeLocation("a_position", 0)
        if not self._program.link():
            raise RuntimeError(f"The texture shader does not link: {self._program.log()}")
        corners = np.hstack([textured.mesh.vertices, textured.uv]).astype(np.float32)
        _fill(self._vertices, corners)
        _fill(self._faces, textured.mesh.faces.astype(np.uint32))
        self._texture = _texture(textured)


def _fill(buffer: QOpenGLBuffer, data: np.ndarray[Any, Any]) -> None:
    buffer.create()
    buffer.bind()
    packed = data.tobytes()
    buffer.allocate(packed, len(packed))
    buffer.release()


def _texture(textured: TexturedMesh) -> QOpenGLTexture:
    # Rows from the bottom up: v grows upwards, and GL takes the first row for v = 0.
    rows = np.ascontiguousarray(textured.texture[::-1])
    height, width = rows.shape[:2]
    image = QImage(rows.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    texture = QOpenGLTexture(image, QOpenGLTexture.MipMapGeneration.GenerateMipMaps)
    texture.setMinMagFilters(QOpenGLTexture.Filter.LinearMipMapLinear, QOpenGLTexture.Filter.Linear)
    texture.setWrapMode(QOpenGLTexture.WrapMode.ClampToEdge)
    return texture
