"""The options that several commands share, so that each is named and explained in one way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Draft",
    "HomeDir",
    "HomesDir",
    "Json",
    "ModelName",
    "Quiet",
    "Who",
    "WorkspaceDir",
    "WorkspaceDirs",
    "WorkspaceOf",
]


def _remember(ctx: typer.Context, value: bool) -> bool:
    ctx.find_root().meta["concertmaster.json"] = value
    return value


Json = Annotated[
    bool,
    typer.Option("--json", callback=_remember, help="Print one JSON document on standard output."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Tell no steps on standard error.")]
Draft = Annotated[bool, typer.Option("--draft", help="Open the workspace even if it is not ready.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="openai:NAME or the URL of an OpenAI-compatible server; no model without it.",
    ),
]
HomeDir = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Where runs and approvals are kept; by default a folder of the workspace's name"
        " under CONCERTMASTER_HOME.",
    ),
]
HomesDir = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The data: one folder here a workspace."),
]
Who = Annotated[
    str,
    typer.Option(
        "--as", metavar="PRINCIPAL", help="Who acts: an id that principals.yaml declares."
    ),
]
WorkspaceDir = Annotated[
    Path, typer.Argument(metavar="WORKSPACE", help="The folder that holds workflow.yaml.")
]
WorkspaceDirs = Annotated[
    list[Path], typer.Argument(metavar="WORKSPACE…", help="Folders of workspaces.")
]
WorkspaceOf = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", metavar="WORKSPACE", help="Only the home of this workspace."),
]
