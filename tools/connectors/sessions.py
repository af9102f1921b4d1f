"""Connections to MCP servers that stay open between calls, while somebody promises to close them.

The SDK's connections have to be left in the task that entered them, so each has a task of its own
that does nothing else. Calls are made on it from their own tasks, several at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from concertmaster.tools.connectors.connection import Place, connection

if TYPE_CHECKING:
    from mcp import Client

    from concertmaster.tools.connectors.mcp_server import McpServer

__all__ = [
    "OPENING",
    "Session",
    "Sessions",
    "Sharer",
    "hold",
    "innermost",
    "release",
    "sessions_of",
]

Sharer = tuple[str | None, str | None]
"""Whose calls may use one connection: a tenant, and a person of it or None for all of them."""

OPENING = 60.0
"""Seconds in which a connection has to be there. Who waits for it has a time of its own."""

_CLOSING = 15.0
_MOST = 16


class Session:
    """One connection. It opens in the background, and closes when nobody needs it any more.

    Args:
        place: where the server is.
        idle: seconds without a call after which it is retired.
        retired: told when it is.
    """

    def __init__(self, place: Place, idle: float, retired: Callable[[Session], None]) -> None:
        self.place = place
        self._idle, self._told = idle, retired
        self._loop = asyncio.get_running_loop()
        self._client: asyncio.Future[Client] = self._loop.create_future()
        self._client.add_done_callback(lambda f: f.cancelled() or f.exception())
        self._over = asyncio.Event()
        self._retired = False
        self._timer: asyncio.TimerHandle | None = None
        self.calls: set[asyncio.Task[object]] = set()
        # Whoever happens to call first is nothing to the connection: it outlives that call.
        self.owner = self._loop.create_task(self._own(), context=Context())

    @property
    def is_open(self) -> bool:
        """Whether the server has answered before."""
        return self._client.done() and not self._client.exception()

    async def take(self) -> Client:
        """Return the connection once it is open, for the running task, which leaves it again.

        Raises:
            Exception: whatever kept it from opening.
        """
        self.calls.add(_task())
        self._stop_timer()
        try:
            return await asyncio.shield(self._client)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Give back what the running task took."""
        self.calls.discard(_task())
        self._rest()

    def retire(self) -> None:
        """Give it to no call any more; it closes as soon as those that have it are over."""
        if not self._retired:
            self._retired = True
            self._told(self)
        self._rest()

    def end(self) -> None:
        """Close it now. Calls that are under way break off."""
        self._stop_timer()
        if self._client.done():
            self._over.set()
        else:
            self.owner.cancel()

    def _rest(self) -> None:
        if self.calls:
            return
        self._stop_timer()
        if self._retired:
            self.end()
        else:
            self._timer = self._loop.call_later(self._idle, self.retire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _own(self) -> None:
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self.place.seconds):
                    opening = connection(self.place, listens=False)
                    client = await stack.enter_async_context(opening)
                self._client.set_result(client)
                await self._over.wait()
        except Exception as error:
            if not self._client.done():
                self._client.set_exception(innermost(error))
        finally:
            if not self._client.done():
                self._client.set_exception(ConnectionError("it was closed before it was open"))
            self.retire()


class Sessions:
    """The connections of one event loop to one server: one for each sharer that calls.

    What a call of one may leave behind at the server is not there for another's.
    """

    def __init__(self, server: McpServer) -> None:
        self.holders = 0
        self._idle = server.idle
        self._open: dict[Sharer, Session] = {}
        self._all: set[Session] = set()

    def session(self, place: Place, sharer: Sharer) -> Session | None:
        """Return the connection for a sharer, perhaps one that still opens.

        One to another place, or with other credentials, is retired.

        Returns:
            None if as many as may be are in use by others.
        """
        found = self._open.get(sharer)
        if found is not None and found.place == place:
            return found
        if found is not None:
            found.retire()
        if len(self._open) >= _MOST and not self._make_room():
            return None
        made = Session(place, self._idle, self._retired)
        self._open[sharer] = made
        self._all.add(made)
        made.owner.add_done_callback(lambda task: self._ended(made, task))
        return made

    async def close(self) -> None:
        """Close all connections, and wait until their processes and tasks are gone."""
        there = list(self._all)
        for session in there:
            session.retire()
            session.end()
        tasks = {session.owner for session in there}.union(*(s.calls for s in there))
        for _ in range(2):
            tasks = {task for task in tasks if not task.done()}
            if not tasks:
                return
            _, tasks = await asyncio.wait(tasks, timeout=_CLOSING)
            for task in tasks:
                task.cancel()

    def _make_room(self) -> bool:
        unused = next((s for s in self._open.values() if not s.calls), None)
        if unused is not None:
            unused.retire()
        return unused is not None

    def _ended(self, session: Session, task: asyncio.Task[None]) -> None:
        self._all.discard(session)
        if not task.cancelled():
            task.exception()  # Whoever called was told, by its own call.

    def _retired(self, session: Session) -> None:
        for sharer, known in list(self._open.items()):
            if known is session:
                del self._open[sharer]


_lock = threading.Lock()
_held: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[McpServer, Sessions]] = WeakKeyDictionary()


def sessions_of(server: McpServer) -> Sessions | None:
    """Return the connections that the running loop keeps to a server; None if it keeps none."""
    with _lock:
        return _held.get(asyncio.get_running_loop(), {}).get(server)


def hold(server: McpServer) -> None:
    """Have the running loop keep connections to a server, until `release` as often as this."""
    with _lock:
        here = _held.setdefault(asyncio.get_running_loop(), {})
        here.setdefault(server, Sessions(server)).holders += 1


async def release(server: McpServer) -> None:
    """Let go of what `hold` took; the last one closes the connections."""
    with _lock:
        here = _held.get(asyncio.get_running_loop(), {})
        there = here.get(server)
        if there is None:
            return
        there.holders -= 1
        if there.holders:
            return
        del here[server]
    await there.close()


def _task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


def innermost(error: BaseException) -> BaseException:
    """Return the error that a group of errors is about."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
