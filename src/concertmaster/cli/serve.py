"""`concertmaster serve`: workflows for chat clients, programs and reviewers' browsers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import HomesDir, ModelName, WorkspaceDirs

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["serve"]

EXAMPLE = "Example: concertmaster serve examples/support_desk --port 8000"

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    workspaces: WorkspaceDirs,
    *,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen at; 0.0.0.0 for all.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535)] = 8000,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", "-s", metavar="FILE", help="Limits, origins, issuers; YAML."),
    ] = None,
    model: ModelName = None,
    home: HomesDir = None,
    otel: Annotated[
        bool,
        typer.Option("--otel", help="Send traces and metrics by OTLP, as OTEL_* variables say."),
    ] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log to standard error, as lines of JSON.")
    ] = False,
) -> None:
    """Serve workflows: OpenAI's protocols at /v1, an API at /api/v1, a console at /console.

    Ctrl-C takes no more messages and waits for the runs under way; what is not finished in time
    goes on with the next start. Ctrl-C again does not wait.
    """
    from concertmaster.cli.console import note
    from concertmaster.serving.server import Server, bound
    from concertmaster.serving.settings import read_settings

    given = read_settings(settings)
    given = given.model_copy(
        update={"otel": otel or given.otel, "log_json": log_json or given.log_json}
    )
    if given.log_json:
        from concertmaster.telemetry.logs import log_json as begin_logging

        begin_logging()
    sockets = bound(host, port)
    address = _address(host, sockets.getsockname()[1])
    try:
        from concertmaster.serving.app import create_app

        app = create_app(*workspaces, settings=given, model=model, home=home)
        server = Server(app, tell=lambda: _tell(app, address))
        if host not in _LOOPBACK:
            note("keys and messages travel in the open: put a proxy with TLS before this server")
        server.serve_on(sockets)
    finally:
        sockets.close()


def _address(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "localhost") else host  # noqa: S104 - compared
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _tell(app: FastAPI, address: str) -> None:
    """Say what is served, and how to get in."""
    from concertmaster.cli.console import out

    console = out()
    names = ", ".join(app.state.host.names)
    console.print(f"serving {names}; Ctrl-C stops", soft_wrap=True)
    rows = [("chat clients", f"{address}/v1"), ("programs", f"{address}/api/v1")]
    if app.state.host.settings.mcp:
        rows.append(("MCP clients", f"{address}/mcp"))
    if app.state.host.settings.console:
        rows.append(("reviewers", f"{address}/console"))
    for what, where in rows:
        console.print(f"  {what:<14}{where}", soft_wrap=True)
    identity = app.state.identity
    if identity is not None and not identity.store.users():
        console.print(
            "nobody can sign in yet; `concertmaster users --help` tells how", soft_wrap=True
        )
