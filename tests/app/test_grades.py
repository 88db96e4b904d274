"""What a scan leaves for whoever works on its surface."""

import numpy as np
import pytest

from app.build import make_fuser
from app.grades import measured_surface
from app.method import Method
from engine.core.settings import MeshSettings
from engine.runtime.progress import run_job
from tests.app.helped import same_mesh
from tests.app.rooms import SETTINGS, Walk, live_pipeline, pipeline, walk
from tests.app.test_live import fed, mesh_of


def finished(fuser):
    stages = []
    return run_job(fuser.finish(), lambda step: stages.append(step.stage), lambda: False), stages


@pytest.fixture
def make():
    made = []

    def make(maker, **options):
        made.append(maker(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_fused_scan_leaves_its_draft_and_its_photographs(make):
    fuser = fed(make(pipeline, keeps_grades=True), walk()[:4])
    finished(fuser)
    kept = fuser.keepsakes()
    assert list(kept.grades) == ["draft"]
    assert same_mesh(kept.grades["draft"], mesh_of(fuser))
    assert len(kept.photos) >= 1
    assert kept.texture == SETTINGS.texture


def test_a_refined_scan_leaves_what_was_measured_and_what_was_shown(make):
    settings = SETTINGS.model_copy(
        update={"mesh": MeshSettings(min_island_faces=20, guessed="keep")}
    )
    fuser = fed(make(live_pipeline, settings=settings, keeps_grades=True), walk()[:4])
    plain = fed(make(pipeline), walk()[:4])
    while fuser.has_work:
        for message in fuser.take_messages(1):
            answer = fuser.helper.handle(message)
            if answer is not None:
                fuser.give_result(answer)
        fuser.idle(0.1)
    shown = mesh_of(fuser)
    final, stages = finished(fuser)
    grades = fuser.keepsakes().grades
    assert "grades" in stages
    # The draft is what fusing alone would have made; refined is what was on the screen.
    assert same_mesh(grades["draft"], mesh_of(plain))
    assert same_mesh(grades["refined"], shown)
    assert not same_mesh(grades["draft"], grades["refined"])
    assert len(final.faces)


def test_grades_are_kept_only_when_asked_for(make):
    for maker in (pipeline, live_pipeline):
        fuser = fed(make(maker), walk()[:3])
        finished(fuser)
        assert not fuser.keepsakes().grades


def test_the_builder_passes_the_wish_on(make):
    info = Walk().describe()
    fuser = make(
        lambda: make_fuser(SETTINGS, info, method=Method(name="fusion"), keeps_grades=True)
    )
    fed(fuser, walk()[:3])
    finished(fuser)
    assert "draft" in fuser.keepsakes().grades


def test_the_measured_surface_of_a_volume_larger_than_a_step_is_whole(make, monkeypatch):
    fuser = fed(make(pipeline), walk()[:4])
    monkeypatch.setattr("app.grades.AT_ONCE", 3)
    parts = measured_surface(fuser.volume, SETTINGS.mesh.min_weight)
    assert same_mesh(parts, mesh_of(fuser))
    assert np.isfinite(parts.vertices).all()
