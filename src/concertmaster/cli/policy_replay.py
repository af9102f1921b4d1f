"""`concertmaster policy replay`: what other policies would have decided about recorded calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.failures import FINDINGS
from concertmaster.cli.options import HomeDir, Json, WorkspaceDir

if TYPE_CHECKING:
    from concertmaster.evaluation.replay import Difference, Range, WhatIf
    from concertmaster.graphs.workspace import Workspace
    from concertmaster.storage import Database

__all__ = ["EXAMPLE", "Looked", "replay"]

EXAMPLE = (
    "Example: concertmaster policy replay examples/support_desk --policies stricter --since 30d"
)


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What was looked at, and what came of it. `unsound`: why there is no check against itself."""

    home: Path
    wanted: Range
    policies: Path
    bundle: str
    own: str | None
    unsound: str | None
    difference: Difference
    erased: int


def replay(
    workspace: WorkspaceDir,
    *,
    policies: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The policies to try: a folder of *.cedar files."),
    ],
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE|DATE", help="Decisions from then on: 30d, 2026-10-01."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="AGE|DATE", help="Decisions before then."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many decisions, the latest ones.")
    ] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Decide the calls of the past again, under other policies. Nothing is executed or changed.

    Tells which calls would have been stopped, let through or sent to people, by rule, tool and
    principal, and how many decisions cannot be made again. Exits with 1 if a call would have gone
    otherwise, or if a decision under the workspace's own policies does not come out as recorded.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.moments import moment
    from concertmaster.cli.places import chosen_homes
    from concertmaster.cli.policy_replay_shown import plain, show
    from concertmaster.evaluation.replay import Range
    from concertmaster.graphs.workspace import Workspace

    place = chosen_homes(home, workspace)[0]
    read = Workspace.load(workspace)
    wanted = Range(
        workspace=read.name,
        since=moment(since, "--since") if since else "",
        until=moment(until, "--until") if until else "~",
        limit=limit,
    )
    looked = asyncio.run(_look(place, read, policies.expanduser(), wanted))
    if as_json:
        print_json(plain(looked))
    else:
        show(looked)
    found = looked.difference
    raise typer.Exit(FINDINGS if found.changed or found.mismatched else 0)


async def _look(home: Path, read: Workspace, policies: Path, wanted: Range) -> Looked:
    from concertmaster.errors import PolicyError
    from concertmaster.evaluation.replay import WhatIf, count_erased
    from concertmaster.orchestrator.home import DATABASE
    from concertmaster.policies.engine import PolicyEngine
    from concertmaster.storage import Database

    shapes = read.toolbox.shapes()
    other = WhatIf(PolicyEngine.load(policies, shapes), shapes, read.name)
    own, unsound = None, None
    try:
        own = WhatIf(PolicyEngine.load(read.policies, shapes), shapes, read.name)
    except PolicyError as error:
        unsound = error.message.splitlines()[0]
    database = Database.open(home / DATABASE, read_only=True)
    try:
        found = await _replayed(database, wanted, read, other, own)
        erased = await count_erased(database, wanted)
    finally:
        database.close()
    return Looked(
        home=home,
        wanted=wanted,
        policies=policies,
        bundle=other.bundle,
        own=own.bundle if own else None,
        unsound=unsound,
        difference=found,
        erased=erased,
    )


async def _replayed(
    database: Database, wanted: Range, workspace: Workspace, other: WhatIf, own: WhatIf | None
) -> Difference:
    from rich.progress import Progress

    from concertmaster.cli.console import err
    from concertmaster.evaluation.replay import Replay, cases, count_events

    replay = Replay(other, own)
    console = err()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("deciding again", total=await count_events(database, wanted))
        async for case in cases(database, wanted, workspace.toolbox.shapes()):
            replay.take(case)
            bar.advance(task)
    return replay.result()
