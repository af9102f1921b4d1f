"""Server-sent events: one event with its id at a time, a sign of life when nothing happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from fastapi.responses import StreamingResponse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

__all__ = ["event_stream", "event_text"]

_ALIVE = 15.0
"""Seconds after which proxies are told that the stream is alive."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_text(data: Any, *, name: str | None = None, id: str | None = None) -> str:
    r"""Return one event as it goes over the line.

    >>> event_text({"a": 1}, name="hopped", id="7")
    'id: 7\nevent: hopped\ndata: {"a":1}\n\n'
    """
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    lines = [f"id: {id}"] if id is not None else []
    lines += [f"event: {name}"] if name is not None else []
    lines += [f"data: {line}" for line in text.splitlines() or [""]]
    return "\n".join(lines) + "\n\n"


def event_stream(
    parts: AsyncGenerator[str], ended: asyncio.Event, counted: AbstractContextManager[object]
) -> StreamingResponse:
    """Return a response that sends texts of events as they come.

    Args:
        parts: the events; closed when the client goes away.
        ended: set when the server stops: the stream ends, and clients go on after a restart.
        counted: entered already; left when the stream is over.
    """
    return _Events(parts, ended, counted)


class _Events(StreamingResponse):
    """Gives back what a stream holds, also if its client went away before the first event."""

    def __init__(
        self,
        parts: AsyncGenerator[str],
        ended: asyncio.Event,
        counted: AbstractContextManager[object],
    ) -> None:
        self._counted = counted
        self._open = (_alive(parts, ended), parts)
        super().__init__(self._open[0], media_type="text/event-stream", headers=_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            try:
                for stream in self._open:
                    # A client that goes away cancels again and again until here, so that what was
                    # being waited for may still be on its way to its end.
                    while getattr(stream, "ag_running", False):  # noqa: ASYNC110
                        await asyncio.sleep(0)
                    await stream.aclose()
            finally:
                self._counted.__exit__(None, None, None)


async def _alive(parts: AsyncGenerator[str], ended: asyncio.Event) -> AsyncGenerator[str]:
    stopping = asyncio.ensure_future(ended.wait())
    coming: asyncio.Task[str] | None = None
    try:
        while True:
            coming = coming or asyncio.create_task(_next(parts))
            await asyncio.wait(
                {coming, stopping}, timeout=_ALIVE, return_when=asyncio.FIRST_COMPLETED
            )
            if coming.done():
                part, coming = coming.result(), None
                if not part:
                    return
                yield part
            elif stopping.done():
                return
            else:
                yield ": alive\n\n"
    finally:
        stopping.cancel()
        if coming is not None:
            coming.cancel()
            await asyncio.wait([coming])


async def _next(parts: AsyncIterator[str]) -> str:
    """Return the next part, or nothing at the end; a task cannot end with StopAsyncIteration."""
    try:
        return await anext(parts)
    except StopAsyncIteration:
        return ""
