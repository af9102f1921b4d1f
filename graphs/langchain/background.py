"""An event loop of one's own, so that sync and async callers share one set of stores."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from concertmaster.errors import ToolError

__all__ = ["Background"]

T = TypeVar("T")


class Background:
    """One event loop in a daemon thread; work is handed to it from any thread or loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="concertmaster-gate", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        finally:
            self._loop.close()

    def allow(self) -> None:
        """Let the caller go on unless this was stopped.

        Raises:
            ToolError: it was.
        """
        if self._stopped:
            raise _closed()

    def allow_waiting(self) -> None:
        """Let the caller wait here, unless this was stopped or would wait for itself.

        Raises:
            ToolError: so it is.
        """
        self.allow()
        if threading.current_thread() is self._thread:
            raise ToolError(
                "a governed tool was called from within the gate, and would wait for itself",
                hint="await its `ainvoke` there instead of calling `invoke`",
            )

    def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have the work done as a task of its own; nothing is done once this is stopped."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._begun, work)

    def _begun(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._loop.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise _closed() from None

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work and block until it is done."""
        try:
            self.allow_waiting()
        except ToolError:
            work.close()
            raise
        return self._submit(work).result()

    async def join(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work and await it; what was begun is finished even if the caller is cancelled."""
        return await asyncio.shield(asyncio.wrap_future(self._submit(work)))

    def stop(self) -> None:
        """End the loop; what was handed in before is finished first."""
        self._stopped = True
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)


def _closed() -> ToolError:
    return ToolError("the governance was closed; no call is let through")
