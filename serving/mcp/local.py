"""Workflows as tools for one client on this machine, which started this process for itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import HTTPConnection

from concertmaster.contracts import Principal
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.caller import Rates
from concertmaster.serving.host import Host
from concertmaster.serving.identity.opening import Identity, open_identity
from concertmaster.serving.identity.refusal import refuse
from concertmaster.serving.mcp.calling import Ask, Caller, server_of
from concertmaster.serving.mcp.catalogue import check_names
from concertmaster.serving.mcp.wire import Wire
from concertmaster.serving.observing import Observing
from concertmaster.serving.settings import Settings

__all__ = ["Local", "by_credential", "by_name"]


def by_name(who: str, settings: Settings) -> Ask:
    """Know the client as somebody whom the workspace declares, as its role stands there."""
    rates = Rates(settings.limits.requests)

    async def ask(_: Any, desk: Desk) -> Caller:
        principal = desk.people.admit(who)
        rates.take(principal)
        return Caller(principal=principal)

    return ask


def by_credential(text: str, identity: Identity, settings: Settings) -> Ask:
    """Know the client by its API key or token, looked at anew with each request.

    A key that is revoked, and roles that are taken away, count from then on.
    """
    rates = Rates(settings.limits.requests)

    async def ask(_: Any, desk: Desk) -> Caller:
        principal = await known(text, identity)
        rates.take(principal)
        return Caller(principal=principal)

    return ask


async def known(text: str, identity: Identity) -> Principal:
    """Return whose credential a text is, as the server's authenticator knows it.

    Raises:
        Unauthenticated: nobody's.
    """
    shown = [(b"authorization", f"Bearer {text}".encode())]
    principal = await identity.authenticate(HTTPConnection({"type": "http", "headers": shown}))
    if principal is None or not principal.authenticated:
        raise refuse("unknown_credential", "the credential is of nobody who is known here")
    return principal


@dataclass(frozen=True, kw_only=True)
class Local:
    """What is served, and to whom: to whom `key` is a credential of, without one to `who`."""

    workspaces: Sequence[Path]
    settings: Settings
    who: str | None = None
    key: str | None = None
    model: str | None = None
    home: Path | None = None

    async def serve(self, inward: int, outward: int) -> int | None:
        """Serve until the input ends or a signal comes, and return the signal if it was one.

        The end of the input lets what was asked be answered, and runs end, for `settings.drain`
        seconds. A signal does not wait: what is not finished goes on with the next start.

        Raises:
            UnknownPrincipal, Unauthenticated: nobody knows for whom this is.
            ConfigError, NotReady, WorkspaceError, HomeError: a workspace cannot be opened.
        """
        signals = _Signals()
        observing = Observing(self.settings)
        try:
            with contextlib.ExitStack() as stack:
                identity = self._identity(stack)
                ask = await self._ask(identity)
                host = Host(
                    self.workspaces,
                    settings=self.settings,
                    resolve=None if identity is None else identity.resolve,
                    model=self.model,
                    home=self.home,
                    arrived=observing.arrived,
                )
                async with host:
                    check_names(host)
                    for desk in host:
                        if self.who is not None:
                            desk.people.admit(self.who)
                    signals.heed()
                    await _conversation(host, ask, inward, outward, signals.came)
        except asyncio.CancelledError:
            if signals.which is None:
                raise
        finally:
            signals.give_back()
            await observing.close()
        return signals.which

    def _identity(self, stack: contextlib.ExitStack) -> Identity | None:
        if self.key is None:
            return None
        return stack.enter_context(open_identity(self.settings.identity))

    async def _ask(self, identity: Identity | None) -> Ask:
        if identity is None:
            return by_name(self.who or "", self.settings)
        await known(self.key or "", identity)
        return by_credential(self.key or "", identity, self.settings)


async def _conversation(
    host: Host, ask: Ask, inward: int, outward: int, stop: asyncio.Event
) -> None:
    limits, patience = host.settings.limits, host.settings.drain

    async def converse() -> None:
        wire = Wire(inward, outward, longest=limits.body, patience=patience)
        server = server_of(host, ask)
        await server.run(wire, wire, server.create_initialization_options())

    serving = asyncio.create_task(converse())
    stopping = asyncio.create_task(stop.wait())
    first = asyncio.FIRST_COMPLETED
    try:
        await asyncio.wait({serving, stopping}, return_when=first)
        serving.cancel()
        await asyncio.wait({serving})
        ending = asyncio.create_task(host.stop())
        await asyncio.wait({ending, stopping}, return_when=first)
        if not ending.done():
            await asyncio.gather(*(desk.background.drain(0) for desk in host))
        await ending
    finally:
        stopping.cancel()
    if not serving.cancelled():
        serving.result()


class _Signals:
    """What Ctrl-C and a request to end do: break off the start, later end the conversation."""

    def __init__(self) -> None:
        self.which: int | None = None
        self.came = asyncio.Event()
        self._heeded = False
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        for which in (signal.SIGINT, signal.SIGTERM):
            # Not every loop can; then Python's own handling stays.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                self._loop.add_signal_handler(which, self._come, which)

    def heed(self) -> None:
        """Leave it to `came` from now on."""
        self._heeded = True

    def give_back(self) -> None:
        """Let signals do what they do by default."""
        for which in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                self._loop.remove_signal_handler(which)

    def _come(self, which: int) -> None:
        self.which = which
        self.came.set()
        if not self._heeded and self._task is not None:
            self._task.cancel()
