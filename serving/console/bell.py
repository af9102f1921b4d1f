"""Wakes those who watch a queue when something in it may have changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

from concertmaster.contracts import AuditEvent
from concertmaster.orchestrator.desk import Desk

__all__ = ["Bell"]

_FAMILIES = ("approval.", "run.")


class Bell:
    """Rings with each event about an approval or a run. It tells nobody which: they look."""

    def __init__(self) -> None:
        self._heard: WeakSet[Desk] = WeakSet()
        self._watching: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def hear(self, desk: Desk) -> None:
        """Listen to a desk from now on."""
        if desk not in self._heard:
            self._heard.add(desk)
            desk.services.trail.on(self._told)

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """Yield what is set whenever it rings; whoever waits for it clears it."""
        self._loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        self._watching.add(rung)
        try:
            yield rung
        finally:
            self._watching.discard(rung)

    def _told(self, event: AuditEvent) -> None:
        """Note an event; called in whatever thread it arose."""
        if self._watching and self._loop is not None and event.type.startswith(_FAMILIES):
            with contextlib.suppress(RuntimeError):  # The loop may have ended meanwhile.
                self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        for rung in self._watching:
            rung.set()
