"""What escapes a block, caught: the last line of a thread's defence."""

from collections.abc import Callable
from types import TracebackType


class Net:
    """Hands whatever escapes its block to a callback, and goes on after the block.

    It sees also what is no `Exception`, such as the end of the program; a question asked of every
    error says which go on their way.
    """

    def __init__(
        self,
        caught: Callable[[BaseException], None],
        lets_through: Callable[[BaseException], bool] = lambda error: False,
    ) -> None:
        """Catch all but what is let through."""
        self._caught = caught
        self._lets_through = lets_through

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> bool:
        """Return whether to go on as if nothing had escaped."""
        if error is None:
            return True
        if self._lets_through(error):
            return False
        self._caught(error)
        return True
