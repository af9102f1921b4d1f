"""One connection to an MCP server: bounded in time and size, silent, with no way to ask back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from concertmaster.errors import ConfigError

if TYPE_CHECKING:
    from mcp import Client

__all__ = ["Place", "connection", "load_sdk", "pins_of", "silence"]

_MISSING = "MCP servers need the official SDK, which is not installed"
_PAGES = 20
_MOST_TOOLS = 2000
_LOGGERS = (
    "client",
    "mcp.client.client",
    "mcp.client.session",
    "mcp.client.stdio",
    "mcp.client.streamable_http",
    "mcp.shared.direct_dispatcher",
    "mcp.shared.jsonrpc_dispatcher",
    "httpx2",
    "httpcore2.connection",
    "httpcore2.http11",
)
_quiet: ContextVar[bool] = ContextVar("concertmaster_mcp_quiet", default=False)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server is. Values are as they go out, so this is never shown or stored."""

    url: str | None = None
    headers: Mapping[str, str]
    command: tuple[str, ...] = ()
    env: Mapping[str, str]
    folder: Path
    limit: int
    seconds: float


def load_sdk() -> Any:
    """Return the SDK.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import mcp
        import mcp.client.stdio
        import mcp.client.streamable_http
    except ModuleNotFoundError:
        raise ConfigError(_MISSING, hint="pip install 'concertmaster[mcp]'") from None
    return mcp


@asynccontextmanager
async def connection(place: Place, *, listens: bool = True) -> AsyncIterator[Client]:
    """Connect and, at the end, disconnect; a process that was started for it is stopped.

    The server may answer. It is offered nothing else: no model to sample, no folder, nobody to ask.

    Args:
        place: where it is.
        listens: by HTTP, let it say something unasked as well.

    Raises:
        ConfigError: the SDK is not installed.
        Exception: whatever a connection raises.
    """
    # It takes a second or two the first time, which nobody else is to wait for.
    mcp = await asyncio.to_thread(load_sdk)
    about = mcp.types.Implementation(
        name="concertmaster", version=metadata.version("concertmaster")
    )
    with silence():
        async with contextlib.AsyncExitStack() as stack:
            transport = await _transport(place, stack, listens)
            client = mcp.Client(
                transport,
                read_timeout_seconds=place.seconds,
                client_info=about,
                cache=None,
                input_required_max_rounds=0,
            )
            yield await stack.enter_async_context(client)


async def pins_of(client: Client, *, only: str | None = None) -> dict[str, Any]:
    """Return what a server says of its tools, by name; None for a name that it has twice.

    Args:
        client: the connection.
        only: the one tool that is asked about; all by default.

    Raises:
        ConfigError: it lists more than anybody can look at.
    """
    from concertmaster.tools.connectors.pins import Pin

    found: dict[str, Pin | None] = {}
    cursor, seen = None, 0
    for _ in range(_PAGES):
        page = await client.list_tools(cursor=cursor)
        seen += len(page.tools)
        for tool in page.tools:
            if only not in (None, tool.name):
                continue
            pin = Pin.model_validate(
                {
                    "title": tool.title,
                    "description": tool.description,
                    "input_schema": tool.input_schema,
                    "output_schema": tool.output_schema,
                    "annotations": tool.annotations
                    and tool.annotations.model_dump(mode="json", by_alias=True, exclude_none=True),
                }
            )
            found[tool.name] = None if tool.name in found else pin
        cursor = page.next_cursor
        if not cursor:
            return found
        if seen > _MOST_TOOLS:
            break
    raise ConfigError("it lists more tools than can be looked at")


async def _transport(place: Place, stack: contextlib.AsyncExitStack, listens: bool) -> Any:
    if place.url is None:
        from mcp import StdioServerParameters
        from mcp.client.stdio import stdio_client

        # What a server says on stderr may be anybody's words.
        nowhere = stack.enter_context(_nowhere())
        parameters = StdioServerParameters(
            command=place.command[0],
            args=list(place.command[1:]),
            env=dict(place.env),
            cwd=place.folder,
            encoding_error_handler="replace",
        )
        return stdio_client(parameters, errlog=nowhere)
    from mcp.client.streamable_http import streamable_http_client

    from concertmaster.tools.connectors.bounded import bounded_client

    client = bounded_client(place.headers, place.limit, place.seconds, listens=listens)
    return streamable_http_client(
        place.url,
        http_client=await stack.enter_async_context(client),
        max_sse_event_size=place.limit,
    )


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w")


class _Discreet(logging.Filter):
    """Keeps what the SDK logs of our connections out of the log: it quotes servers."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is somebody else's."""
        return not _quiet.get()


_DISCREET = _Discreet()


@contextmanager
def silence() -> Iterator[None]:
    """Have the SDK log nothing of what is done within."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_DISCREET)
    token = _quiet.set(True)
    try:
        yield
    finally:
        # The context may be another one if a connection is closed by the garbage collector.
        with contextlib.suppress(ValueError):
            _quiet.reset(token)
