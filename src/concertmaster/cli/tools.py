"""`concertmaster tools`: the tools of MCP servers, written down before they are used."""

from __future__ import annotations

import typer

from concertmaster.cli.failures import FINDINGS, CommandGroup
from concertmaster.cli.options import Json, WorkspaceDir

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="The tools of MCP servers: look at them, and write down what was agreed.",
)


@app.command(epilog="Example: concertmaster tools pin my-desk")
def pin(workspace: WorkspaceDir, as_json: Json = False) -> None:
    """Ask the MCP servers of a workspace how its tools are described, and write it down.

    What is written stands in mcp.lock.json beside tools.py: look at it, and commit it. A tool that
    is not described as it is there any more is not called. Exits with 1 if a server cannot be
    asked or lacks a declared tool; then nothing is written.
    """
    import asyncio

    from concertmaster.cli.console import note, print_json, put
    from concertmaster.tools.connectors.probing import pin_tools
    from concertmaster.tools.toolbox import Toolbox

    toolbox, _ = Toolbox.inspect(workspace)
    pinned, found, files = asyncio.run(pin_tools(toolbox.values()))
    if as_json:
        print_json(
            {
                "pinned": [vars(p) for p in pinned],
                "problems": [vars(f) for f in found],
                "written": [str(f) for f in files],
            }
        )
    else:
        for one in pinned:
            put(f"{one.server}.{one.tool}: {one.change}")
        for finding in found:
            put(f"{finding.message} ({finding.hint})")
        for file in files:
            note(f"written: {file}")
        if not (pinned or found):
            note(f"{workspace} declares no tool of an MCP server")
    raise typer.Exit(FINDINGS if found else 0)
