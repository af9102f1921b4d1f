"""`concertmaster mcp`: workflows as tools over standard input and output."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.failures import INTERRUPTED
from concertmaster.cli.options import HomesDir, ModelName, WorkspaceDirs
from concertmaster.errors import ConfigError

if TYPE_CHECKING:
    from concertmaster.serving.settings import Settings

__all__ = ["mcp"]

EXAMPLE = "Example: concertmaster mcp examples/support_desk --as ana"

_KEY = "CONCERTMASTER_API_KEY"


def mcp(
    workspaces: WorkspaceDirs,
    *,
    who: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="PRINCIPAL",
            help=f"Who acts: an id that principals.yaml declares; without an API key in {_KEY}.",
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", "-s", metavar="FILE", help="Limits, drain, issuers; YAML."),
    ] = None,
    model: ModelName = None,
    home: HomesDir = None,
) -> None:
    """Serve workflows as tools to the MCP client that starts this, over its pipes.

    Who acts is --as, or whose API key CONCERTMASTER_API_KEY holds. Standard output has messages
    of the protocol and nothing else. The end of standard input ends it once what was asked is
    answered; Ctrl-C does not wait, and what is not finished goes on with the next start.
    """
    from concertmaster.serving.settings import read_settings

    key = os.environ.get(_KEY) or None
    if (who is None) == (key is None):
        raise ConfigError(
            f"say for whom this is, once: by --as, or by an API key in {_KEY}",
            hint="`concertmaster users key create WHO` makes a key",
        )
    given = read_settings(settings)
    if given.log_json:
        from concertmaster.telemetry.logs import log_json

        log_json()
    came = _served(workspaces, given, who=who, key=key, model=model, home=home)
    if came == signal.SIGINT:
        raise typer.Exit(INTERRUPTED)


def _served(
    workspaces: list[Path],
    settings: Settings,
    *,
    who: str | None,
    key: str | None,
    model: str | None,
    home: Path | None,
) -> int | None:
    try:
        from concertmaster.serving.mcp.local import Local
        from concertmaster.serving.mcp.wire import standard_streams
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("concertmaster"):
            raise
        raise ConfigError(
            f"this needs the official SDK and the server, and {error.name} is not installed",
            hint="pip install 'concertmaster[serve,mcp]'",
        ) from None
    from concertmaster.cli.desks import run_async

    local = Local(
        workspaces=workspaces,
        settings=settings,
        who=who,
        key=key,
        model=model,
        home=home,
    )
    with standard_streams() as (inward, outward):
        return run_async(lambda: local.serve(inward, outward))
