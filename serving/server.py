"""Uvicorn around the app: it listens, tells that it does, and stops without losing a run."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from concertmaster.errors import ConfigError
from concertmaster.serving.host import Host

__all__ = ["Server", "bound"]

_BACKLOG = 2048
_IDLE = 65
"""Seconds for which an idle connection is kept; longer than proxies keep theirs."""


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address; port 0 takes a free one.

    Raises:
        ConfigError: the address cannot be had.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        there = socket.socket(family, kind)
        try:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            there.bind(address)
        except OSError:
            there.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {host}:{port}: {(error.strerror or str(error)).lower()}",
            hint="choose another with --host or --port; --port 0 takes a free one",
        ) from None
    return there


class Server(uvicorn.Server):
    """Serves an app of `create_app` until it is told to stop.

    Told so, it takes no more connections, has the runs under way finish as `settings.drain`
    allows, ends the streams, and closes the workspaces.
    """

    def __init__(self, app: FastAPI, *, tell: Callable[[], None] = lambda: None) -> None:
        self._host: Host = app.state.host
        self._tell = tell
        config = uvicorn.Config(
            _Failing(app, self),
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=5,
            backlog=_BACKLOG,
            lifespan="on",
            ws="none",
        )
        super().__init__(config)
        self.failed: BaseException | None = None

    def serve_on(self, there: socket.socket) -> None:
        """Serve until a signal comes.

        Raises:
            ConcertmasterError: a workspace could not be opened.
        """
        # What goes wrong is told by the app itself; Uvicorn would show traces with what they hold.
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
        try:
            self.run(sockets=[there])
        except SystemExit:
            if self.failed is None:
                raise
        if self.failed is not None:
            raise self.failed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open everything, then tell that it is served."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._tell()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, finish what is under way, then end."""
        for server in self.servers:
            server.close()
        for there in sockets or ():
            there.close()
        if not self.force_exit:
            await self._host.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the first signal, and at once at the second interrupt."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


class _Failing:
    """Passes an app's start on, and keeps the error that keeps it from starting.

    Uvicorn would log it with its trace and end; a command says what is wrong in a sentence.
    """

    def __init__(self, app: FastAPI, server: Server) -> None:
        self._app, self._server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the start and the end."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self._app.router.lifespan_context(self._app):
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as error:
            self._server.failed = error
            await send({"type": f"lifespan.{phase}.failed"})
            return
        await send({"type": "lifespan.shutdown.complete"})
