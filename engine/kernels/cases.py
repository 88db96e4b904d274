"""The cases of marching cubes, derived and not typed in.

On every face of the cell each run of inside corners is cut off by one segment, the segments chain
into loops, the loops become fans. Since a face's cut depends on its four corners alone, two cells
that share it agree, and the surface has no cracks (the ambiguity of Lorensen and Cline 1987 is
resolved the same way from both sides).
"""

from functools import lru_cache

import numpy as np

# Corner c of a cell sits at (c & 1, c >> 1 & 1, c >> 2 & 1). Edge 4 * axis + i runs along its axis
# from the i-th corner that is low on it.
EDGE_START = np.array([[c for c in range(8) if not c >> axis & 1] for axis in range(3)]).ravel()
# The corners of each face in order round it, counter-clockwise seen from outside the cell.
FACES = ((0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6))
MAX_TRIANGLES = 5


@lru_cache(maxsize=1)
def case_table() -> tuple[np.ndarray, np.ndarray]:
    """Return triangles (256, 5, 3) as edges, and their number (256,); bit c set: corner c inside.

    Triangles are counter-clockwise seen from outside (where distance is positive).
    """
    triangles = np.full((256, MAX_TRIANGLES, 3), -1, np.int8)
    counts = np.zeros(256, np.int8)
    for case in range(256):
        follows: dict[int, int] = {}
        for face in FACES:
            inside = [case >> corner & 1 for corner in face]
            for i in range(4):
                if inside[i] and not inside[i - 1]:
                    last = i
                    while inside[(last + 1) % 4]:
                        last = (last + 1) % 4
                    enter = _edge(face[i - 1], face[i])
                    follows[enter] = _edge(face[last], face[(last + 1) % 4])
        while follows:
            first, second = follows.popitem()
            loop = [first, second]
            while loop[-1] != loop[0]:
                loop.append(follows.pop(loop[-1]))
            for i in range(1, len(loop) - 2):
                triangles[case, counts[case]] = loop[0], loop[i], loop[i + 1]
                counts[case] += 1
    return triangles, counts


def _edge(a: int, b: int) -> int:
    axis = (a ^ b).bit_length() - 1
    starts = EDGE_START[4 * axis : 4 * axis + 4].tolist()
    return int(4 * axis + starts.index(min(a, b)))
