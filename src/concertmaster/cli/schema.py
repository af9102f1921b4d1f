"""`concertmaster schema`: JSON Schemas of a workspace's files, for editors."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["Part", "schema"]

EXAMPLE = "Example: concertmaster schema workflow > workflow.schema.json"


class Part(StrEnum):
    """The files of a workspace that have a schema."""

    workflow = "workflow"
    intents = "intents"
    playbooks = "playbooks"
    models = "models"
    principals = "principals"
    tests = "tests"
    evaluation = "evaluation"


def schema(
    part: Annotated[
        Part | None, typer.Argument(help="Which file of a workspace; all of them without it.")
    ] = None,
) -> None:
    """Print the JSON Schema of a workspace's file, for editors.

    An editor completes and checks a file that begins with
    "# yaml-language-server: $schema=workflow.schema.json".
    """
    from concertmaster.cli.console import print_json
    from concertmaster.graphs.schema import json_schema

    if part is Part.evaluation:
        from concertmaster.evaluation.dataset import dataset_schema

        print_json(dataset_schema())
        return
    print_json(json_schema(part.value if part else None))
