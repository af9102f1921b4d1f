"""`concertmaster init`: a new workspace, started from one that works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from concertmaster.cli.options import Json

__all__ = ["init"]

EXAMPLE = "Example: concertmaster init my_desk --from support_desk"


def init(
    target: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder to make; its name names the workflow.")
    ],
    template: Annotated[
        str, typer.Option("--from", metavar="TEMPLATE", help="Which workspace to start from.")
    ] = "support_desk",
    as_json: Json = False,
) -> None:
    """Start a workspace from one that works.

    Templates: support_desk, knowledge_assistant, loan_application, software_delivery, bank_desk.
    """
    import shlex

    from concertmaster.cli.console import note, print_json, put
    from concertmaster.graphs.scaffold import init as start

    made = target.expanduser().absolute()
    files = start(template, made)
    if as_json:
        print_json({"workspace": str(made), "template": template, "files": list(map(str, files))})
        return
    who, quoted = _somebody(made), shlex.quote(str(target))
    put(f"{target} is a workspace of {len(files)} files, started from {template}")
    note(
        "\nNext:\n"
        f"  concertmaster check {quoted}\n"
        f"  concertmaster chat {quoted} --as {who}\n"
        f"  concertmaster graph {quoted} svg --output graph.svg\n"
        f"Then change it: {target / 'README.md'} says what is where, {target / 'workflow.yaml'}"
        " is where to begin."
    )


def _somebody(workspace: Path) -> str:
    """Return the id of the first person that a workspace declares."""
    import yaml

    try:
        people = yaml.safe_load((workspace / "principals.yaml").read_text("utf-8"))["principals"]
        return str(people[0]["id"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, yaml.YAMLError):
        return "WHO"
