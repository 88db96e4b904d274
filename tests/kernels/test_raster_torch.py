import torch
from torch.nn.functional import pad

from engine.kernels.diff_marching import case_table, derived_table, extract
from engine.kernels.raster_embree import EmbreeRasteriser
from engine.kernels.raster_torch import TorchRasteriser
from engine.objects.cameras import turntable


def torus(side: int = 40) -> torch.Tensor:
    axis = torch.linspace(-1, 1, side)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    return torch.hypot(torch.hypot(x, z) - 0.55, y) - 0.22


def clips(vertices: torch.Tensor) -> torch.Tensor:
    cameras = turntable([0, 75], size_px=64)
    mvp = torch.stack([torch.from_numpy(camera.mvp()) for camera in cameras])
    return pad(vertices.double(), (0, 1), value=1.0) @ mvp.mT


def test_faces_are_those_that_rays_meet() -> None:
    surface = extract(torus())
    clip = clips(2 * surface.vertices / 39 - 1)
    for height, width in ((64, 64), (40, 96)):
        ours = TorchRasteriser().face_ids(clip, surface.faces, height, width)
        theirs = EmbreeRasteriser().face_ids(clip, surface.faces, height, width)
        assert (ours >= 0).float().mean() > 0.05
        assert (ours != theirs).float().mean() < 2e-3


def test_one_large_face_covers_its_half_and_the_nearer_one_wins() -> None:
    corners = [[-1.0, -1, 0.5, 1], [1, -1, 0.5, 1], [-1, 1, 0.5, 1]]
    near = [[x, y, 0.1, 1.0] for x, y, _, _ in corners]
    clip = torch.tensor([corners + near])
    ids = TorchRasteriser().face_ids(clip, torch.tensor([[0, 1, 2], [4, 3, 5]]), 8, 8)[0]
    v, u = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    assert (ids[u + v < 7] == 1).all()
    assert (ids[u + v > 7] == -1).all()


def test_what_is_behind_the_camera_or_missing_is_not_seen() -> None:
    clip = torch.tensor([[[0.0, 0, 0, -1], [1, 0, 0, -1], [0, 1, 0, -1]]])
    rasteriser = TorchRasteriser()
    assert (rasteriser.face_ids(clip, torch.tensor([[0, 1, 2]]), 4, 4) == -1).all()
    assert (rasteriser.face_ids(clip, torch.zeros(0, 3, dtype=torch.long), 4, 4) == -1).all()


def test_the_derived_table_closes_what_the_classic_one_closes() -> None:
    noise = torch.randn(9, 9, 9, generator=torch.Generator().manual_seed(2))
    found = [extract(noise, table=table) for table in (derived_table(), case_table())]
    assert torch.equal(found[0].vertices, found[1].vertices)
    for surface in found:
        edges = torch.cat([surface.faces[:, [i, (i + 1) % 3]] for i in range(3)])
        back = edges.flip(1)
        both = torch.cat([edges, back])
        # Every edge is walked once each way by its faces.
        _, count = torch.unique(both, dim=0, return_counts=True)
        assert (count % 2 == 0).all()
    solid = torus()
    areas = []
    for table in (derived_table(), case_table()):
        surface = extract(solid, table=table)
        a, b, c = surface.vertices[surface.faces].unbind(1)
        # Signed volume: faces look outwards.
        areas.append(float((torch.linalg.cross(a, b) * c).sum() / 6))
    assert areas[0] > 0
    assert abs(areas[0] - areas[1]) < 1e-2 * areas[1]
