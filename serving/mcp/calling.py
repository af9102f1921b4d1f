"""Calls of MCP clients: a message starts a run, and the run's answer is the result."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)

from concertmaster.contracts import Principal, new_id
from concertmaster.contracts.events import ActionChanged, Hopped
from concertmaster.contracts.schema import misfits
from concertmaster.errors import ConcertmasterError
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.host import Host
from concertmaster.serving.mcp.catalogue import offered, schemas, tools_of
from concertmaster.serving.mcp.result import refused, result_of
from concertmaster.serving.visible import run_for

__all__ = ["Ask", "Caller", "server_of"]

_log = logging.getLogger("concertmaster.serving")

_Context = ServerRequestContext[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who sent a message, and under which idempotency key, if any."""

    principal: Principal
    key: str | None = None


Ask = Callable[[_Context, Desk], Awaitable[Caller]]
"""Tells who sent a message, as a workflow knows it."""


def server_of(host: Host, ask: Ask) -> Server[Any]:
    """Return an MCP server of a host's workflows; `ask` tells who sent a message."""

    async def list_tools(
        context: _Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        try:
            for desk in host:
                await ask(context, desk)
        except ConcertmasterError as error:
            raise MCPError(INVALID_REQUEST, error.message) from None
        return ListToolsResult(tools=tools_of(host))

    async def call_tool(context: _Context, params: CallToolRequestParams) -> CallToolResult:
        try:
            return await _called(host, context, ask, params)
        except ConcertmasterError as error:
            return refused(error)
        except MCPError:
            raise
        except Exception as error:
            # What it says may be somebody's words: it goes neither to the client nor to the log.
            reference = new_id("err")
            _log.error("%s: %s in a tool call", reference, type(error).__name__)
            told = f"something went wrong here; tell the operator this reference: {reference}"
            raise MCPError(INTERNAL_ERROR, told) from None

    return Server(
        "concertmaster",
        title=host.settings.title,
        version=metadata.version("concertmaster"),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def _called(
    host: Host, context: _Context, ask: Ask, params: CallToolRequestParams
) -> CallToolResult:
    found = offered(host, params.name)
    if found is None:
        raise MCPError(INVALID_PARAMS, f"there is no tool {params.name[:60]!r} here")
    desk, looks = found
    given = params.arguments or {}
    wrong = misfits(schemas(looks), given)
    if wrong:
        raise MCPError(INVALID_PARAMS, f"the arguments do not fit: {'; '.join(wrong)}")
    caller = await ask(context, desk)
    who = caller.principal
    with host.streaming(who):
        if looks:
            record = await run_for(desk, who, given["run_id"])
            return await result_of(desk, who, await desk.get(record.id))
        started = await host.start(
            desk, who, given["message"], thread=given.get("thread_id"), key=caller.key
        )
        await _rests(host, context, desk, started.run)
        return await result_of(desk, who, await desk.get(started.run))


async def _rests(host: Host, context: _Context, desk: Desk, run: str) -> None:
    """Wait until a run has ended or waits for people, for as long as a server waits at all."""
    telling = asyncio.ensure_future(_told(context, desk, run))
    ending = asyncio.ensure_future(host.ended.wait())
    try:
        seconds = host.settings.limits.waiting
        first = asyncio.FIRST_COMPLETED
        done, _ = await asyncio.wait({telling, ending}, timeout=seconds, return_when=first)
        if telling in done:
            telling.result()
    finally:
        for task in (telling, ending):
            task.cancel()
        await asyncio.wait({telling, ending})


async def _told(context: _Context, desk: Desk, run: str) -> None:
    """Tell a client that asked for it how far a run is."""
    number = 0
    async with contextlib.aclosing(desk.background.follow(run)) as events:
        async for told in events:
            match told.event:
                case Hopped(to=step):
                    message = step
                case ActionChanged(tool=tool, status=status):
                    message = f"{tool}: {status}"
                case _:
                    continue
            number += 1
            await context.session.report_progress(number, None, message)
