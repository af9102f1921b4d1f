"""The calls that are on their way in this process: each has its place, and no two the same one."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

__all__ = ["Places"]


class Places:
    """Names that are held, from any thread and event loop, and who waits for each.

    >>> places = Places()
    >>> places.take("k"), places.take("k")
    (True, False)
    >>> places.free("k")
    >>> places.take("k")
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, list[Future[None]]] = {}

    def take(self, key: str) -> bool:
        """Hold a place if nobody does; tell whether it is held now for the caller."""
        with self._lock:
            if key in self._held:
                return False
            self._held[key] = []
            return True

    async def wait(self, key: str, seconds: float) -> bool:
        """Hold a place as soon as it is free; False if whoever has it keeps it for so long."""
        while True:
            with self._lock:
                waiting = self._held.get(key)
                if waiting is None:
                    self._held[key] = []
                    return True
                freed: Future[None] = Future()
                waiting.append(freed)
            done, _ = await asyncio.wait({asyncio.wrap_future(freed)}, timeout=seconds)
            if not done:
                return False

    def free(self, key: str) -> None:
        """Give a place back, if it is held."""
        with self._lock:
            waiting = self._held.pop(key, [])
        for freed in waiting:
            freed.set_result(None)
