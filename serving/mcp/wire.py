"""Messages over standard input and output, which nothing else gets to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)

__all__ = ["Lines", "Wire", "standard_streams"]

_CHUNK = 65536
_CANCELLED = "notifications/cancelled"


@contextmanager
def standard_streams() -> Iterator[tuple[int, int]]:
    """Take standard input and output for messages alone; yield descriptors of the two.

    Meanwhile whoever reads standard input finds its end, and what anybody prints goes to standard
    error. Both are given back at the end.
    """
    sys.stdout.flush()
    inward, outward = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    try:
        # They stay open: a thread may be reading when this ends.
        yield inward, outward
    finally:
        sys.stdout.flush()
        os.dup2(inward, 0)
        os.dup2(outward, 1)


class Wire:
    """Both ends of a conversation, as the SDK's servers take them: one message a line.

    Where the input ends, requests that have no answer yet are waited for before that is told.

    Args:
        inward: the descriptor that is read from.
        outward: the one that is written to.
        longest: bytes that a message may have; a longer one is refused.
        patience: seconds for which answers are waited for at the end.
    """

    def __init__(self, inward: int, outward: int, *, longest: int, patience: float) -> None:
        self._inward, self._outward, self._patience = inward, outward, patience
        self._reading = _OwnThread("concertmaster-stdin")
        self._writing = _OwnThread("concertmaster-stdout")
        self._lines, self._found = Lines(longest), deque[bytes | None]()
        self._open: set[str | int] = set()
        self._answered, self._gone = asyncio.Event(), asyncio.Event()
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while True:
            while self._found:
                message = await self._understood(self._found.popleft())
                if message is not None:
                    return SessionMessage(message)
            if self._ended:
                await self._all_answered()
                raise StopAsyncIteration
            piece = await self._unless_gone(self._reading(partial(os.read, self._inward, _CHUNK)))
            self._ended = not piece
            self._found.extend(self._lines.feed(piece or b"\n"))

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message.

        Raises:
            EOFError: there is none any more.
        """
        async for message in self:
            return message
        raise EOFError

    async def send(self, item: SessionMessage, /) -> None:
        """Write a message; nothing happens if nobody listens any more."""
        text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        if not self._gone.is_set():
            try:
                await self._writing(partial(_write, self._outward, f"{text}\n".encode()))
            except OSError:
                # What somebody says who does not listen does not matter any more.
                self._gone.set()
                self._answered.set()
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            self._close(item.message.id)

    async def aclose(self) -> None:
        """Do nothing: the descriptors are not its own."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _understood(self, line: bytes | None) -> JSONRPCMessage | None:
        if line is None:
            await self._refuse(INVALID_REQUEST, "the message is too large")
            return None
        if not line.strip():
            return None
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            await self._refuse(PARSE_ERROR, "this is no message")
            return None
        if isinstance(message, JSONRPCRequest):
            self._open.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == _CANCELLED:
            # It gets no answer.
            self._close((message.params or {}).get("requestId"))
        return message

    async def _unless_gone(self, reading: Awaitable[bytes]) -> bytes:
        """Return what is read; nothing as soon as nobody listens any more."""
        piece = asyncio.ensure_future(reading)
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({piece, gone}, return_when=asyncio.FIRST_COMPLETED)
            return piece.result() if piece.done() else b""
        except OSError:
            return b""
        finally:
            piece.cancel()
            gone.cancel()

    async def _all_answered(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while self._open and not self._gone.is_set():
                    self._answered.clear()
                    await self._answered.wait()

    def _close(self, request: Any) -> None:
        with contextlib.suppress(TypeError):
            self._open.discard(request)
        self._answered.set()

    async def _refuse(self, code: int, why: str) -> None:
        error = JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=code, message=why))
        await self.send(SessionMessage(error))


class Lines:
    """Finds lines in what arrives piece by piece. Pure.

    >>> lines = Lines(longest=4)
    >>> lines.feed(b"ab"), lines.feed(b"c\\nlonger"), lines.feed(b"\\nd\\n")
    ([], [b'abc'], [None, b'd'])
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest: bytes | None = b""

    def feed(self, piece: bytes) -> list[bytes | None]:
        """Return the lines that are complete now; None for one that is too long."""
        *ends, rest = piece.split(b"\n")
        found = []
        for end in ends:
            found.append(self._grown(end))
            self._rest = b""
        self._rest = self._grown(rest)
        return found

    def _grown(self, by: bytes) -> bytes | None:
        if self._rest is None or len(self._rest) + len(by) > self._longest:
            return None
        return self._rest + by


class _OwnThread:
    """Makes blocking calls in a thread that never keeps the process alive."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]]] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    async def __call__(self, work: Callable[[], Any]) -> Any:
        answer = self._loop.create_future()
        self._work.put((work, answer))
        return await answer

    def _serve(self) -> None:
        while True:
            work, answer = self._work.get()
            value, error = None, None
            try:
                value = work()
            except OSError as raised:
                error = raised
            try:
                self._loop.call_soon_threadsafe(_settle, answer, value, error)
            except RuntimeError:
                return  # The loop is closed.


def _settle(answer: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(error)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
