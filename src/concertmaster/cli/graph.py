"""`concertmaster graph`: the compiled graph as a drawing, made offline."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertmaster.cli.options import Json, WorkspaceDir

if TYPE_CHECKING:
    from concertmaster.graphs.compile import Graph

__all__ = ["Form", "graph"]

EXAMPLE = "Example: concertmaster graph examples/support_desk svg --output graph.svg"


class Form(StrEnum):
    """How a graph is drawn."""

    mermaid = "mermaid"
    svg = "svg"


def graph(
    workspace: WorkspaceDir,
    form: Annotated[Form, typer.Argument(help="mermaid: text for documents; svg: a picture.")] = (
        Form.mermaid
    ),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A new file; standard output without."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw the graph that a workspace compiles to.

    It is drawn offline from the description alone: no home is opened, nothing is run.
    """
    import sys

    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.files import new_file
    from concertmaster.graphs.workspace import Workspace
    from concertmaster.orchestrator.drawing import graph_svg, outline

    compiled: Graph = outline(Workspace.load(workspace))
    drawn = compiled.get_graph()
    if as_json:
        print_json(_plain(drawn))
        return
    text = drawn.draw_mermaid() if form is Form.mermaid else graph_svg(compiled)
    if not text.endswith("\n"):
        text += "\n"
    if output is None:
        sys.stdout.write(text)
        return
    with new_file(output) as file:
        file.write(text)
    note(f"{output} written")


def _plain(drawn: Any) -> dict[str, Any]:
    return {
        "nodes": list(drawn.nodes),
        "edges": [
            {"from": e.source, "to": e.target, "conditional": e.conditional} for e in drawn.edges
        ],
    }
