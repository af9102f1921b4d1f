"""Notices: a call took place of which policies have people told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Notice", "Notices"]

_LOG = logging.getLogger("concertmaster.notices")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A call that the people with `role` are told of; `status` is `done` or `in_doubt`.

    The same notice may come twice: once more when a run is taken up after its process went away.
    """

    role: str
    tool: str
    status: str
    run: str
    thread: str
    position: int
    on_behalf_of: str


class Notices:
    """Who is to be called when a call takes place; the trail has every notice in any case.

    >>> heard = []
    >>> notices = Notices()
    >>> notices.on(lambda notice: heard.append(notice.role))
    >>> notices.tell(Notice(role="finance", tool="pay", status="done", run="run-1", thread="t",
    ...                     position=0, on_behalf_of="ana"))
    >>> heard
    ['finance']
    """

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Notice], object]] = []

    def on(self, callback: Callable[[Notice], object]) -> None:
        """Have `callback` called with each notice; it must not block."""
        self._callbacks.append(callback)

    def tell(self, notice: Notice) -> None:
        """Call everybody. One who fails keeps neither the others nor the run from going on."""
        for callback in self._callbacks:
            try:
                callback(notice)
            except Exception as error:
                _LOG.warning("a receiver of notices failed: %s", type(error).__name__)
