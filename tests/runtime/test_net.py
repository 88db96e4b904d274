"""What a net catches, and what goes on its way."""

import pytest

from engine.runtime.net import Net


def test_what_escapes_is_handed_over_and_the_program_goes_on():
    caught = []
    for error in (ValueError("a"), KeyboardInterrupt(), SystemExit(3)):
        with Net(caught.append):
            raise error
        assert caught[-1] is error
    with Net(caught.append):
        pass
    assert len(caught) == 3


def test_what_is_let_through_is_not_caught():
    caught = []
    net = Net(caught.append, lambda error: not isinstance(error, Exception))
    with net:
        raise ValueError("a")
    with pytest.raises(SystemExit), net:
        raise SystemExit(3)
    assert [type(error) for error in caught] == [ValueError]
