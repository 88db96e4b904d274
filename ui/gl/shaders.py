"""What the graphics card computes: one program a way of colouring, built when first wanted.

Branches inside one program would all be computed by a software renderer, and a texture looked up
for every pixel of a plain wall.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from engine.core.arrays import F64
from ui.gl.guessed import TINT_RGB, TINT_SHARE
from ui.gl.modes import (
    AGAIN_RGB,
    HARDLY_RGB,
    HARDLY_SEEN,
    PLAIN_RGB,
    SPAN_TICKS,
    WELL_MEASURED,
    WELL_RGB,
    ColorMode,
    Rgb,
)
from ui.gl.offscreen import NoOpenGL

# Places of the attributes, the same in all programs.
POSITION, COLOR, FACTS, STAMP, UV = range(5)

_VERTEX = """
uniform mat4 u_clip_world;
in vec3 a_position;
in vec4 a_color;  // red, green, blue, confidence
in vec2 a_facts;  // guessed, counted
in float a_stamp;
in vec2 a_uv;
out vec3 v_world;
out vec4 v_color;
out vec2 v_facts;
out float v_stamp;
out vec2 v_uv;
void main() {
    v_world = a_position;
    v_color = a_color;
    v_facts = a_facts;
    v_stamp = a_stamp;
    v_uv = a_uv;
    gl_Position = u_clip_world * vec4(a_position, 1.0);
}
"""
# A lamp on the viewer's forehead. The face's direction comes from how the position changes between
# neighbouring pixels, so no normals are computed, stored or uploaded, and no seam shows at the
# border of two pages. Rows run downwards in the picture, which is why the product is turned round.
_FRAGMENT = """
uniform vec3 u_axis;
uniform sampler2D u_image;
uniform float u_now;
uniform mat4 u_unit_world;
uniform vec3 u_paper;
in vec3 v_world;
in vec4 v_color;
in vec2 v_facts;
in float v_stamp;
in vec2 v_uv;
out vec4 color;
void main() {
#ifdef HIDES
    if (v_facts.x > 0.0001) discard;
#endif
    vec3 normal = normalize(cross(dFdy(v_world), dFdx(v_world)));
    float lamp = abs(dot(normal, u_axis));
    vec3 base = PLAIN;
    float light = 0.75 + 0.25 * lamp;
#if MODE == 0
    base = v_color.rgb;
    light = 0.55 + 0.45 * lamp;
#elif MODE == 1
    // No lamp: the photographs carry the light of the room.
    base = texture(u_image, v_uv).rgb;
    light = 1.0;
#elif MODE == 2
    base = 0.5 + 0.5 * normal;
#elif MODE == 3
    if (v_facts.y > 0.5) base = texture(u_image, vec2(v_color.a, 0.5)).rgb;
#elif MODE == 4
    if (v_facts.y > 0.5) base = v_color.a < HARDLY ? RARE : v_color.a < WELL ? AGAIN : SURE;
#elif MODE == 5
    if (v_stamp > 0.5)
        base = texture(u_image, vec2(clamp(1.0 - (u_now - v_stamp) / SPAN, 0.0, 1.0), 0.5)).rgb;
#elif MODE == 6
    base = v_facts.x > 0.0001 ? TINT : PLAIN;
#else
    light = 0.55 + 0.45 * lamp;
#endif
#ifdef TINTS
    base = mix(base, TINT, TINT_SHARE * v_facts.x);
#endif
    vec3 shade = base * light;
#ifdef BOXED
    vec3 place = abs((u_unit_world * vec4(v_world, 1.0)).xyz);
    if (max(place.x, max(place.y, place.z)) > 1.0)
        shade = mix(u_paper, vec3(dot(shade, vec3(0.3, 0.6, 0.1))), 0.22);
#endif
#ifdef WITH_WIRES
    shade *= 0.4;
#endif
#ifdef WIRES
    // Along a line there is no direction to be lit from.
    shade = MODE == 2 ? vec3(0.9) : mix(base, vec3(1.0), 0.3);
#endif
    color = vec4(shade, 1.0);
}
"""
_LINE_VERTEX = """
uniform mat4 u_clip_world;
in vec3 a_position;
void main() { gl_Position = u_clip_world * vec4(a_position, 1.0); }
"""
_LINE_FRAGMENT = """
uniform vec4 u_rgba;
out vec4 color;
void main() { color = u_rgba; }
"""
_HEAD = "#version 150\n"
_IMAGE_MODE = 1
_MODES = {
    ColorMode.COLOR: 0,
    ColorMode.NORMALS: 2,
    ColorMode.CONFIDENCE: 3,
    ColorMode.COVERAGE: 4,
    ColorMode.AGE: 5,
    ColorMode.OBSERVED: 6,
    ColorMode.PLAIN: 7,
}


@dataclass(frozen=True, slots=True)
class Look:
    """Which program draws a surface."""

    mode: ColorMode = ColorMode.COLOR
    has_image: bool = False
    tints: bool = False
    hides: bool = False
    is_boxed: bool = False
    has_wires: bool = False
    is_wires: bool = False


class Program:
    """Two shaders that are linked."""

    def __init__(self, vertex: str, fragment: str) -> None:
        """Build it in the current context.

        Raises:
            NoOpenGL: the driver does not take it.
        """
        self.name = GL.glCreateProgram()
        for kind, text in ((GL.GL_VERTEX_SHADER, vertex), (GL.GL_FRAGMENT_SHADER, fragment)):
            shader = GL.glCreateShader(kind)
            GL.glShaderSource(shader, _HEAD + text)
            GL.glCompileShader(shader)
            if not GL.glGetShaderiv(shader, GL.GL_COMPILE_STATUS):
                raise _refused(GL.glGetShaderInfoLog(shader))
            GL.glAttachShader(self.name, shader)
            GL.glDeleteShader(shader)
        names = {POSITION: "position", COLOR: "color", FACTS: "facts", STAMP: "stamp", UV: "uv"}
        for place, word in names.items():
            GL.glBindAttribLocation(self.name, place, f"a_{word}")
        GL.glLinkProgram(self.name)
        if not GL.glGetProgramiv(self.name, GL.GL_LINK_STATUS):
            raise _refused(GL.glGetProgramInfoLog(self.name))

    def use(self, **uniforms: NDArray[Any] | float) -> None:
        """Draw with it from now on, its uniforms (without their u_) set to these."""
        GL.glUseProgram(self.name)
        for word, value in uniforms.items():
            place = GL.glGetUniformLocation(self.name, f"u_{word}")
            data = np.ascontiguousarray(value, np.float32)
            if place < 0:
                continue  # the compiler saw that this look does not need it
            if data.shape == (4, 4):
                GL.glUniformMatrix4fv(place, 1, True, data)
            elif data.shape == (4,):
                GL.glUniform4fv(place, 1, data)
            elif data.shape == (3,):
                GL.glUniform3fv(place, 1, data)
            else:
                GL.glUniform1f(place, data.item())

    def release(self) -> None:
        """Free it; its context must be current."""
        GL.glDeleteProgram(self.name)


class Programs:
    """The programs of one context."""

    def __init__(self) -> None:
        """Build none yet."""
        self._looks: dict[Look, Program] = {}
        self._lines: Program | None = None

    def of(self, look: Look) -> Program:
        """Return the program of a look."""
        if look not in self._looks:
            self._looks[look] = Program(_VERTEX, _head(look) + _FRAGMENT)
        return self._looks[look]

    def lines(self) -> Program:
        """Return the program that draws lines in one colour."""
        if self._lines is None:
            self._lines = Program(_LINE_VERTEX, _LINE_FRAGMENT)
        return self._lines

    def release(self) -> None:
        """Free all; their context must be current."""
        for program in [*self._looks.values(), *([self._lines] if self._lines else [])]:
            program.release()
        self._looks, self._lines = {}, None


def unit_of_box(T_box_world: F64, size_m: tuple[float, float, float]) -> F64:
    """Return the matrix (4, 4) that takes a box's inside to -1..1, for `u_unit_world`."""
    scale = np.diag([*(2 / np.maximum(np.array(size_m), 1e-6)), 1.0])
    matrix: F64 = scale @ T_box_world
    return matrix


def _head(look: Look) -> str:
    shows_image = look.has_image and look.mode is ColorMode.COLOR
    mode = _IMAGE_MODE if shows_image else _MODES[look.mode]
    flags = {"HIDES": look.hides, "TINTS": look.tints, "BOXED": look.is_boxed}
    flags |= {"WITH_WIRES": look.has_wires, "WIRES": look.is_wires}
    lines = [f"#define MODE {mode}"]
    lines += [f"#define {word}" for word, is_set in flags.items() if is_set]
    colors = {"PLAIN": PLAIN_RGB, "TINT": TINT_RGB, "SURE": WELL_RGB, "AGAIN": AGAIN_RGB}
    colors["RARE"] = HARDLY_RGB
    lines += [f"#define {word} {_vec3(rgb)}" for word, rgb in colors.items()]
    numbers = {"HARDLY": HARDLY_SEEN / 255, "WELL": WELL_MEASURED / 255, "TINT_SHARE": TINT_SHARE}
    numbers["SPAN"] = SPAN_TICKS
    return "\n".join(lines + [f"#define {word} {number:.6f}" for word, number in numbers.items()])


def _vec3(rgb: Rgb) -> str:
    red, green, blue = (channel / 255 for channel in rgb)
    return f"vec3({red:.6f}, {green:.6f}, {blue:.6f})"


def _refused(said: bytes | str) -> NoOpenGL:
    words = said.decode(errors="replace") if isinstance(said, bytes) else said
    return NoOpenGL(f"The graphics driver does not take our shader: {words.strip()}")
