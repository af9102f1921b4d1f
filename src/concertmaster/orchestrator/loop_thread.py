"""An event loop in a thread of its own, for code that has none, or whose own has to wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from concertmaster.errors import ConfigError

__all__ = ["LoopThread"]

T = TypeVar("T")


class LoopThread:
    """Runs coroutines in one daemon thread, and waits for them in the caller's.

    >>> async def answer():
    ...     return 42
    >>> loop = LoopThread("example")
    >>> loop.wait(answer())
    42
    >>> loop.stop()
    """

    def __init__(self, name: str) -> None:
        """Start it.

        Args:
            name: of the thread.
        """
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def inside(self) -> bool:
        """Whether the caller is in this thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work and return what it returns; it is cancelled if the caller is interrupted.

        Raises:
            ConfigError: the caller is in this thread; nothing was run.
        """
        if self.inside:
            work.close()
            raise ConfigError(
                f"the thread {self._thread.name} would wait for itself",
                hint="await there what is asynchronous",
            )
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the thread; what was not waited for is not finished."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
