import pickle

import pytest

from engine.core.faults import (
    BadFrame,
    BadInput,
    Cancelled,
    CannotWrite,
    Fault,
    MissingPart,
    Severity,
)


@pytest.mark.parametrize(
    ("kind", "exit_code", "severity"),
    [
        (Fault, 1, Severity.STOP),
        (BadInput, 2, Severity.STOP),
        (BadFrame, 2, Severity.IGNORE),
        (CannotWrite, 1, Severity.STOP),
        (MissingPart, 2, Severity.STOP),
        (Cancelled, 1, Severity.IGNORE),
    ],
)
def test_each_fault_has_its_exit_code_and_weight(kind, exit_code, severity):
    fault = kind("It broke.", "Mend it.")
    assert (fault.exit_code, fault.severity) == (exit_code, severity)
    assert isinstance(fault, Fault)
    assert str(fault) == "It broke. Mend it."
    assert str(kind("It broke.")) == "It broke."


@pytest.mark.parametrize("kind", [Fault, BadInput, BadFrame, CannotWrite, MissingPart, Cancelled])
def test_faults_cross_a_process_border_whole(kind):
    there = pickle.loads(pickle.dumps(kind("It broke.", "Mend it.")))
    assert type(there) is kind
    assert (there.says, there.remedy) == ("It broke.", "Mend it.")


def test_one_bad_frame_is_a_bad_input():
    with pytest.raises(BadInput):
        raise BadFrame("Frame 3 is torn.")
