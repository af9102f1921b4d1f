"""Messages over standard input and output, which nothing else gets to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
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

__all__ = ["Lines", "messages", "standard_streams"]

_CHUNK = 65536
_CANCELLED = "notifications/cancelled"

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


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


@asynccontextmanager
async def messages(
    inward: int, outward: int, *, longest: int, patience: float
) -> AsyncIterator[tuple[Incoming, Outgoing]]:
    """Yield the two ends of a conversation, as the SDK's servers take them.

    Where the input ends, requests that have no answer yet are waited for before that is told.

    Args:
        inward: what is read from: one message a line.
        outward: what is written to.
        longest: bytes that a message may have; a longer one is refused.
        patience: seconds for which answers are waited for at the end.
    """
    got, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, given = anyio.create_memory_object_stream[SessionMessage](0)
    wire = _Wire(got, outgoing, longest, patience)
    async with anyio.create_task_group() as group:
        group.start_soon(wire.read, inward)
        group.start_soon(wire.write, given, outward)
        try:
            yield incoming, outgoing
        except BaseException:
            group.cancel_scope.cancel()
            raise
        # What is written last is to arrive; nobody listens to what is said from now on.
        wire.reading.cancel()
        outgoing.close()


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


class _Wire:
    def __init__(
        self,
        got: MemoryObjectSendStream[SessionMessage | Exception],
        outgoing: Outgoing,
        longest: int,
        patience: float,
    ) -> None:
        self._got, self._outgoing = got, outgoing
        self._lines, self._patience = Lines(longest), patience
        self._open: set[str | int] = set()
        self._answered = asyncio.Event()
        self.reading = anyio.CancelScope()

    async def read(self, descriptor: int) -> None:
        """Pass on what arrives until it ends."""
        in_thread = _OwnThread("concertmaster-stdin")
        async with self._got:
            with self.reading:
                while piece := await in_thread(partial(os.read, descriptor, _CHUNK)):
                    for line in self._lines.feed(piece):
                        await self._arrived(line)
                for line in self._lines.feed(b"\n"):
                    await self._arrived(line)
                with anyio.move_on_after(self._patience):
                    while self._open:
                        self._answered.clear()
                        await self._answered.wait()

    async def write(self, given: MemoryObjectReceiveStream[SessionMessage], outward: int) -> None:
        """Write what is said until nobody says anything any more."""
        in_thread = _OwnThread("concertmaster-stdout")
        reached = True
        async with given:
            async for said in given:
                text = said.message.model_dump_json(by_alias=True, exclude_unset=True)
                if reached:
                    try:
                        await in_thread(partial(_write, outward, f"{text}\n".encode()))
                    except OSError:
                        # Who listened is gone, so what it says does not matter any more.
                        reached = False
                        self.reading.cancel()
                if isinstance(said.message, JSONRPCResponse | JSONRPCError):
                    self._close(said.message.id)

    async def _arrived(self, line: bytes | None) -> None:
        if line is None:
            await self._refuse(INVALID_REQUEST, "the message is too large")
            return
        if not line.strip():
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            await self._refuse(PARSE_ERROR, "this is no message")
            return
        self._note(message)
        await self._got.send(SessionMessage(message))

    def _note(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCRequest):
            self._open.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == _CANCELLED:
            # It gets no answer.
            self._close((message.params or {}).get("requestId"))

    def _close(self, request: Any) -> None:
        with contextlib.suppress(TypeError):
            self._open.discard(request)
        self._answered.set()

    async def _refuse(self, code: int, why: str) -> None:
        error = JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=code, message=why))
        await self._outgoing.send(SessionMessage(error))


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
