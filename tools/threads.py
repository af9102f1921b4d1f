"""Calls that may hang: bounded in time, in daemon threads that never keep the process alive."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["CallHung", "CallStopped", "bounded_call", "still_running"]

_LOG = logging.getLogger("concertmaster.tools")
_AT_ONCE = 64
_MOST_LEFT_BEHIND = 256
_GRACE = 0.5

_lock = threading.Lock()
_MOST_IDLE = 8
_idle: list[SimpleQueue[Callable[[], None]]] = []
"""What threads that have nothing to do wait on: starting one costs more than most calls."""
_left_behind: Counter[str] = Counter()
_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class CallHung(Exception):
    """The call did not end in time; `started` tells whether it was begun at all."""

    def __init__(self, *, started: bool) -> None:
        super().__init__()
        self.started = started


class CallStopped(Exception):
    """The call ended itself: it left the process or cancelled its own task."""


def still_running(key: str) -> bool:
    """Tell whether a call that was left behind under this key may still take effect here."""
    with _lock:
        return _left_behind[key] > 0


async def bounded_call(
    function: Callable[..., Any], arguments: dict[str, Any], *, seconds: float, key: str
) -> Any:
    """Call a function, async or not, and wait at most so many seconds for what it returns.

    A function that is not async runs in a thread of its own. One that does not end in time, or
    whose caller is cancelled, is left behind, and known under `key` until it ends.

    Raises:
        CallHung: it did not end in time, or too many others hang for it to be begun.
        CallStopped: it raised SystemExit, or cancelled itself.
        Exception: whatever the function raises.
    """
    async with _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)):
        with _lock:
            if _left_behind.total() >= _MOST_LEFT_BEHIND:
                raise CallHung(started=False)
        work = _Work(key)
        task = asyncio.create_task(_called(function, arguments, work))
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
            if not done:
                task.cancel()
                await asyncio.wait({task}, timeout=_GRACE)
        finally:
            if not task.done():
                task.cancel()
            task.add_done_callback(lambda t: t.cancelled() or t.exception())
            work.leave()
        if task.done() and not task.cancelled():
            return task.result()
        if done:
            raise CallStopped("it was cancelled from within")
        raise CallHung(started=True)


class _Work:
    """Whether a call is still at work, so that one that was left behind is known until it ends."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._running = self._left = False

    def __enter__(self) -> None:
        self._running = True

    def __exit__(self, *_: object) -> None:
        with _lock:
            self._running = False
            if self._left:
                _left_behind[self._key] -= 1
                _left_behind.__iadd__(Counter())  # drops what has come down to zero

    def leave(self) -> None:
        with _lock:
            if not self._running:
                return
            self._left = True
            _left_behind[self._key] += 1
        _LOG.warning("a tool call goes on after its time; it was left behind")


async def _called(function: Callable[..., Any], arguments: dict[str, Any], work: _Work) -> Any:
    try:
        if _is_async(function):
            with work:
                return await function(**arguments)
        value = await _threaded(function, arguments, work)
        if not inspect.isawaitable(value):
            return value
        with work:
            return await _awaited(value)
    except SystemExit:
        raise CallStopped("it tried to end the process") from None


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(type(function), "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


async def _threaded(function: Callable[..., Any], arguments: dict[str, Any], work: _Work) -> Any:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = copy_context()

    def run() -> None:
        value, error = None, None
        with work:
            try:
                value = context.run(function, **arguments)
            except BaseException as raised:
                error = raised
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:
            _LOG.warning("a tool call ended after its event loop was closed")

    def settle(value: Any, error: BaseException | None) -> None:
        if not answer.done():
            answer.set_result((value, error))

    _hand_over(run)
    value, error = await answer
    if isinstance(error, Exception):
        raise error
    if error is not None:
        raise CallStopped(f"it raised {type(error).__name__}")
    return value


def _hand_over(run: Callable[[], None]) -> None:
    """Have a waiting thread do it, or a new one; one that hangs never waits again."""
    with _lock:
        tasks = _idle.pop() if _idle else None
    if tasks is None:
        tasks = SimpleQueue()
        name = "concertmaster-tool"
        threading.Thread(target=_serve, args=(tasks,), name=name, daemon=True).start()
    tasks.put(run)


def _serve(tasks: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        tasks.get()()
        with _lock:
            if len(_idle) >= _MOST_IDLE:
                return
            _idle.append(tasks)
