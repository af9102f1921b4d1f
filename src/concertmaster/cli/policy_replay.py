"""`concertmaster policy replay`: what other policies would have decided about recorded calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.failures import FINDINGS
from concertmaster.cli.options import HomeDir, Json

if TYPE_CHECKING:
    from concertmaster.cli.policy_replay_sources import Past
    from concertmaster.evaluation.replay import Difference, Range

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
    workspace: Annotated[
        Path | None,
        typer.Argument(
            metavar="[WORKSPACE]",
            help="Whose calls; without it, those of the governed agent whose home --home is.",
        ),
    ] = None,
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
    agent: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which one, of a home that several agents share."),
    ] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Decide the calls of the past again, under other policies. Nothing is executed or changed.

    Tells which calls would have been stopped, let through or sent to people, by rule, tool and
    principal, and how many decisions cannot be made again. Exits with 1 if a call would have gone
    otherwise, or if a decision under the present policies does not come out as recorded.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.moments import moment
    from concertmaster.cli.policy_replay_shown import plain, show
    from concertmaster.cli.policy_replay_sources import past_of
    from concertmaster.evaluation.replay import Range

    past = past_of(workspace, home, agent)
    wanted = Range(
        workspace=past.name,
        since=moment(since, "--since") if since else "",
        until=moment(until, "--until") if until else "~",
        limit=limit,
    )
    looked = asyncio.run(_look(past, policies.expanduser(), wanted))
    if as_json:
        print_json(plain(looked))
    else:
        show(looked)
    found = looked.difference
    raise typer.Exit(FINDINGS if found.changed or found.mismatched else 0)


async def _look(past: Past, policies: Path, wanted: Range) -> Looked:
    from rich.progress import Progress

    from concertmaster.cli.console import err
    from concertmaster.evaluation.replay import Replay, WhatIf, cases, count_erased, count_events
    from concertmaster.policies.engine import PolicyEngine
    from concertmaster.storage import Database

    other = WhatIf(PolicyEngine.load(policies, past.shapes), past.shapes, past.name)
    own = WhatIf(past.own, past.shapes, past.name) if past.own else None
    replay = Replay(other, own)
    console = err()
    database = Database.open(past.database, read_only=True)
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("deciding again", total=await count_events(database, wanted))
            async for case in cases(database, wanted, past.shapes):
                replay.take(case)
                bar.advance(task)
        erased = await count_erased(database, wanted)
    finally:
        database.close()
    return Looked(
        home=past.home,
        wanted=wanted,
        policies=policies,
        bundle=other.bundle,
        own=own.bundle if own else None,
        unsound=past.unsound,
        difference=replay.result(),
        erased=erased,
    )
