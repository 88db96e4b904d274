"""Distances against answers found another way."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.synth.pieces import rigid
from engine.synth.shapes import (
    Kind,
    Shape,
    Solids,
    box,
    capsule,
    cone,
    cylinder,
    field_local,
    plane,
    sphere,
    torus,
)

SHAPES = {
    "plane": plane(),
    "box": box(0.6, 0.4, 0.2),
    "rounded box": box(0.6, 0.4, 0.2, 0.07),
    "cylinder": cylinder(0.3, 0.5),
    "rounded cylinder": cylinder(0.3, 0.5, 0.05),
    "disc": cylinder(0.4, 0.02),
    "cone": cone(0.3, 0.1, 0.4),
    "wide cone": cone(0.02, 0.4, 0.1, 0.008),
    "pointed cone": cone(0.3, 0.0, 0.5),
    "capsule": capsule(0.1, 0.6),
    "sphere": sphere(0.25),
    "torus": torus(0.3, 0.08),
}


def _one(shape: Shape, pose: np.ndarray | None = None) -> Solids:
    return Solids.build([shape], [np.eye(4) if pose is None else pose])


def _surface_samples(shape: Shape, count: int, dice: np.random.Generator) -> np.ndarray:
    """Points on the surface made from the shape's definition, not from its distance."""
    a, b, c = shape.size
    r = shape.round_m
    if shape.kind is Kind.PLANE:
        flat = dice.uniform(-1.5, 1.5, (count, 2))
        return np.column_stack([flat, np.zeros(count)])
    if shape.kind is Kind.TORUS:
        s, t = dice.uniform(0, 2 * np.pi, (2, count))
        out = a + b * np.cos(t)
        return np.stack([out * np.cos(s), out * np.sin(s), b * np.sin(t)], 1)
    if shape.kind is Kind.BOX:
        core = dice.uniform(-1, 1, (count, 3)) * (a, b, c)
        face = dice.integers(3, size=count)
        core[np.arange(count), face] = dice.choice((-1, 1), count) * np.array([a, b, c])[face]
        # Corners and edges of the core get their share too, for the rounding to grow from.
        snap = dice.random((count, 3)) < 0.3
        core = np.where(snap, np.sign(core) * (a, b, c), core)
        normals = np.sign(core) * np.isclose(np.abs(core), (a, b, c))
    else:
        part = dice.random(count)
        z = np.where(part < 0.5, dice.uniform(-1, 1, count), dice.choice((-1, 1), count)) * c
        edge = a + (b - a) * (z + c) / max(2 * c, 1e-9)
        rho = np.where((part > 0.75) & (np.abs(z) == c), edge * np.sqrt(dice.random(count)), edge)
        s = dice.uniform(0, 2 * np.pi, count)
        core = np.stack([rho * np.cos(s), rho * np.sin(s), z], 1)
        normals = dice.normal(size=(count, 3))
    if r == 0:
        return core
    if shape.kind is Kind.BOX:
        spread = np.abs(dice.normal(size=(count, 3))) * normals
        return core + r * spread / np.linalg.norm(spread, axis=1, keepdims=True)
    ball = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return core + r * ball


@pytest.mark.parametrize("name", SHAPES)
def test_distance_equals_the_nearest_of_many_surface_points(name: str) -> None:
    shape = SHAPES[name]
    dice = np.random.default_rng(5)
    surface = _surface_samples(shape, 120_000, dice)
    points = dice.uniform(-0.9, 0.9, (60, 3))
    found = _one(shape).distance(torch.tensor(points, dtype=torch.float32)).numpy()
    outside = found > 0
    # A rounded shape's samples also fill its inside; seen from outside only the hull is nearest.
    brute = np.array([np.linalg.norm(surface - p, axis=1).min() for p in points])
    assert outside.sum() > 5
    assert np.all(found[outside] <= brute[outside] + 1e-5)
    assert np.abs(found[outside] - brute[outside]).max() < 0.012


@pytest.mark.parametrize("name", SHAPES)
def test_gradient_is_the_slope_of_the_distance(name: str) -> None:
    shape = SHAPES[name]
    p = torch.tensor(np.random.default_rng(2).uniform(-0.8, 0.8, (400, 3)), dtype=torch.float64)
    size = torch.tensor(shape.size, dtype=torch.float64).expand(400, 3)
    rounding = torch.full((400,), shape.round_m, dtype=torch.float64)
    distance, gradient = field_local(shape.kind, p, size, rounding)
    eps = 1e-6
    slopes = torch.stack(
        [
            (
                field_local(shape.kind, p + eps * axis, size, rounding)[0]
                - field_local(shape.kind, p - eps * axis, size, rounding)[0]
            )
            / (2 * eps)
            for axis in torch.eye(3, dtype=torch.float64)
        ],
        dim=1,
    )
    smooth = (torch.linalg.vector_norm(slopes, dim=1) - 1).abs() < 1e-3
    assert smooth.float().mean() > 0.9
    assert (slopes - gradient)[smooth].abs().max() < 1e-4
    assert torch.isfinite(distance).all()


def test_known_values() -> None:
    cases = [
        (box(2, 2, 2), (3, 0, 0), 2.0),
        (box(2, 2, 2), (2, 2, 2), math.sqrt(3)),
        (box(2, 2, 2), (0.5, 0, 0), -0.5),
        (box(2, 2, 2, 0.5), (2, 2, 2), math.sqrt(3) * 1.5 - 0.5),
        (cylinder(1, 2), (2, 0, 2), math.sqrt(2)),
        (cylinder(1, 2), (0, 0, 0.2), -0.8),
        (cone(1, 0, 1), (0, 0, 1.5), 1.0),
        (sphere(0.5), (0, 3, 4), 4.5),
        (torus(1, 0.25), (0, 0, 1), math.sqrt(2) - 0.25),
        (plane(), (5, -2, 0.7), 0.7),
    ]
    for shape, point, expected in cases:
        found = float(_one(shape).distance(torch.tensor([point], dtype=torch.float32))[0])
        assert found == pytest.approx(expected, abs=1e-5), (shape, point)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.tuples(*[st.floats(-1, 1)] * 3),
)
def test_moving_solid_and_point_together_changes_nothing(
    name: str,
    turn: tuple[float, float, float],
    at: tuple[float, float, float],
    point: tuple[float, float, float],
) -> None:
    pose = rigid(at, turn)
    moved = torch.tensor((pose @ np.array([*point, 1]))[:3], dtype=torch.float32)[None]
    still = torch.tensor([point], dtype=torch.float32)
    there = float(_one(SHAPES[name], pose).distance(moved)[0])
    assert there == pytest.approx(float(_one(SHAPES[name]).distance(still)[0]), abs=5e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.tuples(*[st.floats(-1, 1)] * 3),
    st.tuples(*[st.floats(-1, 1)] * 3),
)
def test_distance_never_changes_faster_than_the_point_moves(
    name: str, a: tuple[float, float, float], b: tuple[float, float, float]
) -> None:
    first, second = _one(SHAPES[name]).distance(torch.tensor([a, b], dtype=torch.float32)).tolist()
    assert abs(first - second) <= math.dist(a, b) + 1e-5


def test_asking_only_nearby_solids_gives_the_same_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(9)
    shapes = [list(SHAPES.values())[1 + int(i) % 11] for i in range(60)]
    poses = [
        rigid(tuple(dice.uniform(-3, 3, 3)), tuple(dice.uniform(-180, 180, 3))) for _ in shapes
    ]
    solids = Solids.build(shapes, poses)
    points = torch.tensor(dice.uniform(-4, 4, (3000, 3)), dtype=torch.float32)
    every = solids.nearest_of_all(points)
    monkeypatch.setattr("engine.synth.shapes.PAIRS_AT_ONCE", 5000)
    monkeypatch.setattr("engine.synth.shapes.CELLS_AT_ONCE", 100)
    assert torch.allclose(solids.distance(points), every, atol=1e-6)
