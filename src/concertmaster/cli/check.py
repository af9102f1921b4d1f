"""`concertmaster check`: the readiness gate, with every finding's file and line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import Json, WorkspaceDir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from concertmaster.graphs.problems import Problem

__all__ = ["check"]

EXAMPLE = "Example: concertmaster check examples/support_desk"


_Offline = Annotated[
    bool, typer.Option("--offline", help="Look at files alone; ask no MCP server what it has.")
]


def check(workspace: WorkspaceDir, as_json: Json = False, offline: _Offline = False) -> None:
    """List what is missing or inconsistent in a workspace.

    Every finding comes with file and line, and how to put it right. MCP servers whose tools it
    declares are asked whether they still have them as agreed. Exits with 1 if there are errors;
    warnings alone leave it at 0.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.graphs.readiness import check as findings

    problems = findings(workspace)
    if not offline:
        problems += _asked(workspace)
    errors = [p for p in problems if p.severity == "error"]
    if as_json:
        print_json(
            {
                "workspace": str(workspace),
                "ready": not errors,
                "problems": [p.model_dump() for p in problems],
            }
        )
    else:
        _show(problems, len(errors), workspace)
    raise typer.Exit(1 if errors else 0)


def _asked(workspace: Path) -> list[Problem]:
    """Return what the MCP servers of a workspace have that is not as it was agreed."""
    import asyncio

    from concertmaster.graphs.problems import Problem
    from concertmaster.tools.connectors.probing import probe
    from concertmaster.tools.toolbox import Toolbox

    toolbox, _ = Toolbox.inspect(workspace)
    return [
        Problem(code="mcp", file=f.file, line=f.line, message=f.message, hint=f.hint)
        for f in asyncio.run(probe(toolbox.values()))
    ]


def _show(problems: Sequence[Problem], errors: int, folder: Path) -> None:
    from concertmaster.cli.console import note, put, styled
    from concertmaster.cli.timeline import counted

    styles = {"error": "red", "warning": "yellow"}
    for problem in sorted(problems, key=lambda p: p.order()):
        put(styled(_line(problem), styles.get(problem.severity, "")))
    warnings = len(problems) - errors
    if errors:
        counts = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
        note(f"\n{folder} is not ready: {counts}", "red")
    else:
        note(f"{folder} is ready ({counted(warnings, 'warning')})", "green")


def _line(problem: Problem) -> str:
    """Return a finding in the form that editors and terminals make a link of."""
    file, hint = os.path.relpath(problem.file), f" ({problem.hint})" if problem.hint else ""
    shorter = problem.file if file.startswith("..") else file
    return f"{shorter}:{problem.line}: {problem.severity}: {problem.message}{hint}"
