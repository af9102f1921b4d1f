"""What the responses to one call may bring, where several calls share a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Allowance", "allowance", "allowance_of_call"]

_OVERHEAD = 64 * 1024


@dataclass
class Allowance:
    """Bytes that responses may still bring, and the seconds for which each one is waited for.

    `broke` is what went wrong with one of them.
    """

    left: int
    seconds: float
    broke: Exception | None = None

    @classmethod
    def of(cls, limit: int, seconds: float) -> Allowance:
        """Return the allowance for so many bytes of results, and what goes with them."""
        return cls(limit + _OVERHEAD, seconds)

    def spend(self, size: int) -> bool:
        """Count bytes; return whether they were allowed."""
        self.left -= size
        return self.left >= 0


_of_call: ContextVar[Allowance | None] = ContextVar("concertmaster_mcp_allowance", default=None)


@contextmanager
def allowance(limit: int, seconds: float) -> Iterator[Allowance]:
    """Give the requests that are sent within an allowance of their own."""
    given = Allowance.of(limit, seconds)
    token = _of_call.set(given)
    try:
        yield given
    finally:
        _of_call.reset(token)


def allowance_of_call() -> Allowance | None:
    """Return the allowance of the call that sends a request; None outside of one."""
    return _of_call.get()
