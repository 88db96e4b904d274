from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.sources import text


def test_rows_are_split_at_commas_or_blanks_and_comments_left_out() -> None:
    assert text.split_rows("# head\r\n1, 2,,3\r\n\r\n  4   5\t6 \n") == [
        ["1", "2", "", "3"],
        ["4", "5", "6"],
    ]


def test_rows_that_are_no_numbers_are_counted() -> None:
    table, damaged = text.number_rows([["1", "2", "x"], ["3"], ["a", "b"], ["nan", "4"]], 2, "f")
    assert damaged == 2
    np.testing.assert_array_equal(table, [[1, 2], [np.nan, 4]])
    with pytest.raises(BadInput, match="holds no row of 3 numbers"):
        text.number_rows([["1", "2"]], 3, "f")


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a\.txt is missing"):
        text.read_text(tmp_path / "a.txt")
    with pytest.raises(BadInput, match="cannot be read"):
        text.read_text(tmp_path)
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadInput, match="not text"):
        text.read_text(tmp_path / "b.txt")
    (tmp_path / "c.txt").write_bytes(b"\xef\xbb\xbfhello")
    assert text.read_text(tmp_path / "c.txt") == "hello"


def test_a_file_too_large_for_a_log_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "LARGEST_TEXT_BYTES", 4)
    (tmp_path / "a").write_text("12345")
    with pytest.raises(BadInput, match="too large"):
        text.read_text(tmp_path / "a")


@pytest.mark.parametrize("content", ["", "{", "[1]", "3", "[" * 100_000, '{"a": 1e}'])
def test_json_must_be_one_object(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(BadInput, match=r"a\.json"):
        text.read_json(tmp_path / "a.json")


def test_a_quaternion_of_any_length_is_the_same_rotation() -> None:
    pose = Pose.exp([0.3, -0.2, 0.9, 1, 2, 3])
    for scale in (1.0, -1.0, 0.2, 7.0):
        found = text.quaternion_matrix(scale * pose.quaternion(), pose.translation)
        np.testing.assert_allclose(found, pose.matrix, atol=1e-12)


@pytest.mark.parametrize("broken", [[0, 0, 0, 0], [np.nan, 0, 0, 1], [np.inf, 0, 0, 1]])
def test_a_quaternion_that_is_none_gives_nan(broken: list[float]) -> None:
    assert np.isnan(text.quaternion_matrix(np.array(broken, float), np.zeros(3))).all()
    assert np.isnan(text.quaternion_matrix(np.array([0, 0, 0, 1.0]), np.full(3, np.nan))).all()


@given(
    st.lists(st.floats(-1e6, 1e6), max_size=30).map(sorted),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e3),
)
def test_the_nearest_time_is_the_nearest(times: list[float], wanted: float, limit: float) -> None:
    found = text.nearest(np.array(times), wanted, limit)
    near = [abs(t - wanted) for t in times]
    if found is None:
        assert not near or min(near) > limit
    else:
        assert near[found] == min(near) <= limit


def test_seconds_become_nanoseconds_and_nonsense_becomes_zero() -> None:
    assert text.seconds_to_ns(1.5) == 1_500_000_000
    assert text.seconds_to_ns(float("nan")) == 0
    assert text.seconds_to_ns(float("inf")) == 0
    assert text.seconds_to_ns(1e300) == 0
