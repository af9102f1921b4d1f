"""What waits in memory is stored a little later, off the way of the calls."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from concertmaster.audit import Trail
from concertmaster.errors import ConcertmasterError
from concertmaster.graphs.langchain.background import Background

__all__ = ["Flushing"]

_PAUSE = 0.2


class Flushing:
    """Flushes a trail on the background's event loop; may be asked for from any thread."""

    def __init__(self, trail: Trail, background: Background) -> None:
        self._trail = trail
        self._background = background
        self._lock = threading.Lock()
        self._due = False

    def soon(self) -> None:
        """Have the trail flushed in a moment, once for all who ask until then."""
        if not self._trail.pending_count:
            return
        with self._lock:
            due, self._due = self._due, True
        if not due:
            self._background.begin(self._flush)

    async def _flush(self) -> None:
        try:
            await asyncio.sleep(_PAUSE)
        finally:
            with self._lock:
                self._due = False
        with suppress(ConcertmasterError):
            await self._trail.flush()
