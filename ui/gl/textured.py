"""The finished mesh with its photographs on it."""

from typing import Any

import numpy as np
from OpenGL import GL
from pyqtgraph.opengl.GLGraphicsItem import GLGraphicsItem
from PySide6.QtGui import QImage, QVector4D
from PySide6.QtOpenGL import QOpenGLBuffer, QOpenGLShader, QOpenGLShaderProgram, QOpenGLTexture

from engine.core.surface import TexturedMesh
from ui.gl.guessed import TINT_RGB, TINT_SHARE, Guessed

FLOAT_BYTES = 4

_VERTEX = """#version 150
uniform mat4 u_mvp;
in vec3 a_position;
in vec2 a_uv;
in float a_guess;
out vec2 v_uv;
out float v_guess;
void main() {
    v_uv = a_uv;
    v_guess = a_guess;
    gl_Position = u_mvp * vec4(a_position, 1.0);
}
"""
# No lamp: the photographs carry the light of the room. Only where all three corners are guessed
# the guess is whole.
_FRAGMENT = """#version 150
uniform sampler2D u_texture;
uniform vec4 u_tint;
uniform bool u_hides;
in vec2 v_uv;
in float v_guess;
out vec4 color;
void main() {
    if (u_hides && v_guess > 0.9999) discard;
    color = vec4(mix(texture(u_texture, v_uv).rgb, u_tint.rgb, u_tint.a * v_guess), 1.0);
}
"""
_NUMBERS = (("a_position", 3), ("a_uv", 2), ("a_guess", 1))


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
        self._guessed = Guessed.SHOW

    @property
    def is_uploaded(self) -> bool:
        """Whether the graphics card has it."""
        return self._waiting is None

    def set_guessed(self, how: Guessed) -> None:
        """Show guessed surface like all other, tinted, or not."""
        self._guessed = how

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
        share = TINT_SHARE if self._guessed is Guessed.TINT else 0.0
        red, green, blue = (channel / 255 for channel in TINT_RGB)
        tint = QVector4D(red, green, blue, share)
        self._program.setUniformValue(self._program.uniformLocation("u_tint"), tint)
        hides = int(self._guessed is Guessed.HIDE)
        self._program.setUniformValue1i(self._program.uniformLocation("u_hides"), hides)
        self._texture.bind(0)
        self._vertices.bind()
        stride, start = sum(size for _, size in _NUMBERS) * FLOAT_BYTES, 0
        for name, size in _NUMBERS:
            location = self._program.attributeLocation(name)
            self._program.setAttributeBuffer(location, GL.GL_FLOAT, start, size, stride)
            self._program.enableAttributeArray(location)
            start += size * FLOAT_BYTES
        self._faces.bind()
        GL.glDrawElements(GL.GL_TRIANGLES, self._corner_count, GL.GL_UNSIGNED_INT, None)
        for name, _ in _NUMBERS:
            self._program.disableAttributeArray(self._program.attributeLocation(name))
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
        mesh = textured.mesh
        observed = (
            np.ones(len(mesh.vertices), bool) if mesh.is_observed is None else mesh.is_observed
        )
        corners = np.hstack([mesh.vertices, textured.uv, ~observed[:, None]]).astype(np.float32)
        _fill(self._vertices, corners)
        _fill(self._faces, mesh.faces.astype(np.uint32))
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
