"""The server as an ASGI application, to be served alone or mounted in another one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.errors import ConfigError
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.identity.authenticator import Authenticator
from concertmaster.serving.identity.opening import open_identity
from concertmaster.serving.settings import Settings

try:
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware
except ModuleNotFoundError as error:
    raise ImportError(
        "the server needs FastAPI, which is not installed; install it with\n"
        "  pip install 'concertmaster[serve]'"
    ) from error

from concertmaster.serving.caller import Rates
from concertmaster.serving.cross_origin import SENT, SENT_TO_MCP, CrossOrigin
from concertmaster.serving.guard import Guard
from concertmaster.serving.host import Host
from concertmaster.serving.observing import Observing
from concertmaster.serving.problems import install

if TYPE_CHECKING:
    from concertmaster.orchestrator.people import Resolver

__all__ = ["create_app"]


def create_app(
    *workflows: Desk | Path | str,
    auth: Authenticator | None = None,
    settings: Settings | None = None,
    resolve: Resolver | None = None,
    model: Any = None,
    home: Path | str | None = None,
) -> FastAPI:
    """Return an ASGI application that serves workflows.

    Mounted in another application, it takes opened desks: a mounted application is not told when
    the outer one starts, so that folders would not be opened. Alone, it opens folders itself.

    Args:
        workflows: opened desks, or folders of workspaces.
        auth: tells who sent a request: the host's own way to sign in. By default keys, sessions
            and tokens, as `settings.identity` declares them, with the embedded store of users.
        settings: how it behaves.
        resolve: for folders, returns the principal behind an id with the roles it has now; by
            default the store of users, or with `auth` the people that the workspace declares.
        model: for folders, as `concertmaster.open` takes it.
        home: for folders, where their data lie.

    Raises:
        ConfigError: two workflows have one name, or the settings of identity do not hold.
        HomeError, StorageError: the store of users cannot be opened.
    """
    given = settings or Settings()
    identity = open_identity(given.identity) if auth is None else None
    if identity is not None:
        auth, resolve = identity.authenticate, resolve or identity.resolve
    observing = Observing(given)
    host = Host(
        workflows,
        settings=given,
        resolve=resolve,
        model=model,
        home=home,
        arrived=observing.arrived,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            async with host:
                yield
        finally:
            if app.state.mcp is not None:
                await app.state.mcp.close()
            await observing.close()
            if identity is not None:
                identity.close()

    docs = "/docs" if given.docs else None
    app = FastAPI(
        title=given.title,
        version=metadata.version("concertmaster"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if docs else None,
    )
    app.state.host, app.state.auth, app.state.identity = host, auth, identity
    app.state.rates, app.state.mcp = Rates(given.limits.requests), None
    app.state.metrics = observing.metrics
    install(app)
    _routes(app)
    if given.origins:
        app.add_middleware(
            CrossOrigin,
            allow_origins=list(given.origins),
            allow_methods=["GET", "POST"],
            allow_headers=[*SENT, *(SENT_TO_MCP if given.mcp else ())],
            expose_headers=["x-thread-id", "x-run-id", "location", "retry-after"],
        )
    app.add_middleware(Guard, limits=given.limits)
    if given.hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(given.hosts))
    return app


def _routes(app: FastAPI) -> None:
    """Add the rooms' routes, each from its own place."""
    from concertmaster.serving.api.router import describe
    from concertmaster.serving.api.router import router as api
    from concertmaster.serving.health import router as health
    from concertmaster.serving.openai.router import router as openai

    app.include_router(health)
    app.include_router(openai)
    app.include_router(api)
    describe(app)
    if app.state.host.settings.mcp:
        from starlette.routing import Route

        app.state.mcp = _mcp(app.state.host)
        app.router.routes.append(Route("/mcp", app.state.mcp))
    if app.state.host.settings.metrics:
        from concertmaster.serving.metrics import router as metrics

        app.include_router(metrics)
    if app.state.host.settings.console:
        from concertmaster.serving.console.router import router as console

        app.include_router(console)


def _mcp(host: Host) -> Any:
    try:
        from concertmaster.serving.mcp.endpoint import McpEndpoint
    except ModuleNotFoundError as error:
        raise ConfigError(
            "`mcp: true` needs the official SDK, which is not installed",
            hint="pip install 'concertmaster[mcp]'",
        ) from error
    return McpEndpoint(host)
