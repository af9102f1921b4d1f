"""Comparing what MCP servers offer now with what a workspace relies on, before anybody runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import ConcertmasterError
from concertmaster.tools.connectors.connection import connection, pins_of
from concertmaster.tools.connectors.mcp_server import McpServer
from concertmaster.tools.connectors.pins import Pin, PinnedServer, Pins, read_pins, write_pins
from concertmaster.tools.connectors.remote import RemoteTool
from concertmaster.tools.declaration import Tool

__all__ = ["Finding", "Pinned", "pin_tools", "probe", "remote"]

_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What keeps a tool of a server from being used now, where it is declared, and what helps."""

    file: str
    line: int
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """What pinning brought for one tool: `new`, `same`, or what has changed."""

    server: str
    tool: str
    change: str


def remote(tools: Iterable[Tool]) -> list[tuple[Tool, RemoteTool]]:
    """Return the tools that MCP servers have, among all."""
    return [(t, t.function) for t in tools if isinstance(t.function, RemoteTool)]


async def probe(tools: Iterable[Tool], *, seconds: float = _SECONDS) -> list[Finding]:
    """Ask each server what it offers and list what does not agree with what was pinned.

    Calls no tool. A server that is a command is started and stopped again.
    """
    used = remote(tools)
    offers = await _asked([r.server for _, r in used], seconds)
    found: list[Finding] = []
    told: set[int] = set()
    for tool, there in used:
        offer = offers[id(there.server)]
        if isinstance(offer, str):
            if id(there.server) not in told:
                told.add(id(there.server))
                found.append(_unreachable(there.server, offer))
        elif finding := _differs(tool, there, offer):
            found.append(finding)
    return found


async def pin_tools(
    tools: Iterable[Tool], *, seconds: float = _SECONDS
) -> tuple[list[Pinned], list[Finding], list[Path]]:
    """Write down how the servers describe the declared tools now.

    Nothing is written for a folder in which something was found that is wrong.

    Returns:
        What came of each tool, what is wrong, and the files that were written.
    """
    used = remote(tools)
    offers = await _asked([r.server for _, r in used], seconds)
    pinned: list[Pinned] = []
    found: list[Finding] = []
    files = []
    for folder in sorted({r.server.folder for _, r in used}):
        here = [(t, r) for t, r in used if r.server.folder == folder]
        servers, wrong, changes = _agreed(here, offers, _known(folder))
        pinned += changes
        found += wrong
        if not wrong:
            files.append(write_pins(folder, servers))
    return pinned, found, files


def _agreed(
    used: Sequence[tuple[Tool, RemoteTool]],
    offers: Mapping[int, dict[str, Pin | None] | str],
    before: Pins,
) -> tuple[dict[str, PinnedServer], list[Finding], list[Pinned]]:
    servers: dict[str, PinnedServer] = {}
    found: dict[tuple[str, int, str], Finding] = {}
    changes = []
    for tool, there in used:
        server, offer = there.server, offers[id(there.server)]
        if isinstance(offer, str):
            wrong = _unreachable(server, offer)
        elif (now := offer.get(there.name)) is None:
            wrong = _missing(tool, there, offer)
        else:
            known = servers.get(server.name, PinnedServer(at=server.at))
            servers[server.name] = known.model_copy(
                update={"tools": {**known.tools, there.name: now}}
            )
            old = before.of(server.name, server.at, there.name)
            change = _change(old, now)
            changes.append(Pinned(server=server.name, tool=there.name, change=change))
            continue
        found[wrong.file, wrong.line, wrong.message] = wrong
    return servers, list(found.values()), changes


def _known(folder: Path) -> Pins:
    """Return what was agreed before; nothing if that cannot be read any more."""
    try:
        return read_pins(folder)
    except ConcertmasterError:
        return Pins()


def _change(old: Pin | None, now: Pin) -> str:
    if old is None:
        return "new"
    return f"changed: {', '.join(old.differences(now))}" if old.digest != now.digest else "same"


async def _asked(
    servers: Iterable[McpServer], seconds: float
) -> dict[int, dict[str, Pin | None] | str]:
    """Return what each server offers, or why it cannot be told; all are asked at once."""
    each = {id(server): server for server in servers}
    offers = await asyncio.gather(*(_offer(server, seconds) for server in each.values()))
    return dict(zip(each, offers, strict=True))


async def _offer(server: McpServer, seconds: float) -> dict[str, Pin | None] | str:
    try:
        async with asyncio.timeout(seconds):
            place, _ = server.place(seconds)
            async with connection(place) as client:
                return await pins_of(client)
    except ConcertmasterError as error:
        return error.message
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except Exception as error:
        inner: BaseException = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        return type(inner).__name__


def _unreachable(server: McpServer, why: str) -> Finding:
    hint = (
        f"start it by hand to see what it says: {server.at}"
        if server.url is None
        else f"is {server.at} right, does it run, and do the credentials hold?"
    )
    told = f"the MCP server {server.name} cannot be asked ({why})"
    return Finding(file=server.source[0], line=server.source[1], message=told, hint=hint)


def _differs(tool: Tool, there: RemoteTool, offer: Mapping[str, Pin | None]) -> Finding | None:
    now = offer.get(there.name)
    if now is None:
        return _missing(tool, there, offer)
    if there.pin is None or now.digest == there.pin.digest:
        return None
    changed = ", ".join(there.pin.differences(now))
    told = f"tool {tool.name}: the MCP server {there.server.name} has changed its {changed}"
    hint = "`concertmaster tools pin` writes down what it says now; look at the difference"
    return _finding(tool, there, told, hint)


def _missing(tool: Tool, there: RemoteTool, offer: Mapping[str, Pin | None]) -> Finding:
    name, server = there.name, there.server.name
    if name in offer:
        told = f"tool {tool.name}: the MCP server {server} has two tools called {name!r}"
        return _finding(tool, there, told, "nobody can tell which one would be called")
    told = f"tool {tool.name}: the MCP server {server} has no tool {name!r}"
    names = [n for n in sorted(offer) if n.isprintable() and len(n) <= 64][:20]
    return _finding(tool, there, told, f"it has: {', '.join(names) or 'none'}")


def _finding(tool: Tool, there: RemoteTool, message: str, hint: str) -> Finding:
    file, line = tool.source or there.server.source
    return Finding(file=file, line=line, message=message, hint=hint)
