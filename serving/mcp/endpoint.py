"""`/mcp`: streamable HTTP without sessions, behind the same door as everything else."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.exceptions import HTTPException
from starlette.requests import Request

from concertmaster.serving.caller import signed_in
from concertmaster.serving.host import Host
from concertmaster.serving.mcp.calling import Caller, server_of
from concertmaster.serving.mcp.catalogue import check_names

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from starlette.types import Receive, Scope, Send

    from concertmaster.orchestrator.desk import Desk

__all__ = ["McpEndpoint"]

_WHO = "concertmaster.caller"
_TALKATIVE = ("mcp.server.streamable_http", "mcp.server.streamable_http_manager")
"""Loggers of the SDK that tell the start and the end of every request."""


class McpEndpoint:
    """An ASGI application for one route. Nothing of a request is left for the next one.

    The SDK's tasks run in one of its own, which begins with the first request: so it works in a
    mounted application, too, which is not told when the outer one starts.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._running: asyncio.Task[None] | None = None
        self._manager: StreamableHTTPSessionManager | None = None
        self._ready, self._over = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            Unauthenticated, ServerBusy: see `signed_in`.
            HTTPException: it comes from a browser's page elsewhere, or is no message.
        """
        request = Request(scope, receive)
        who = await signed_in(request)
        self._from_here(request)
        if request.method != "POST":
            # Without sessions there is nothing to listen to or to end.
            raise HTTPException(405, "messages are sent with POST", headers={"Allow": "POST"})
        key = request.headers.get("idempotency-key")
        scope[_WHO] = Caller(principal=who, key=key)
        manager = await self._started()
        await manager.handle_request(scope, receive, send)

    async def close(self) -> None:
        """End what is open."""
        self._over.set()
        if self._running is not None:
            await asyncio.wait({self._running})
        self._running = self._manager = None

    def _from_here(self, request: Request) -> None:
        """Refuse pages of other sites.

        A browser names the page's origin with every such request. A page that made its own name
        lead to this machine (DNS rebinding) has an origin of that name, which nobody listed.
        """
        origin = request.headers.get("origin")
        if origin is not None and origin not in self._host.settings.origins:
            raise HTTPException(403, "this origin may not call; `origins` in the settings lists")

    async def _started(self) -> StreamableHTTPSessionManager:
        if self._manager is None:
            check_names(self._host)
            self._manager = StreamableHTTPSessionManager(
                server_of(self._host, _caller),
                stateless=True,
                # Hosts and origins are looked at above and by the app, sizes by its guard.
                security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
                max_request_body_size=self._host.settings.limits.body,
            )
            self._ready, self._over = asyncio.Event(), asyncio.Event()
            self._running = asyncio.create_task(self._run(self._manager))
            for name in _TALKATIVE:
                logging.getLogger(name).setLevel(logging.WARNING)
        manager = self._manager
        await self._ready.wait()
        return manager

    async def _run(self, manager: StreamableHTTPSessionManager) -> None:
        async with manager.run():
            self._ready.set()
            await self._over.wait()


async def _caller(context: ServerRequestContext[Any, Any], _: Desk) -> Caller:
    assert context.request is not None
    found: Caller = context.request.scope[_WHO]
    return found
