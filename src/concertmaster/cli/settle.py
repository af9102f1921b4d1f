"""`concertmaster runs settle`: a person found out what became of a call in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import Draft, HomeDir, Json, Who, WorkspaceOf

if TYPE_CHECKING:
    from concertmaster.cli.records import Records
    from concertmaster.tools.effect_records import EffectRecord

__all__ = ["EXAMPLE", "settle"]

EXAMPLE = "Example: concertmaster runs settle run-5f0c12ab34cd56ef 1 --as dora --took-effect"


def settle(
    id_: Annotated[str, typer.Argument(metavar="RUN", help="A run's id: run-…")],
    position: Annotated[int, typer.Argument(help="Where the call stands in the run's plan.")],
    *,
    who: Who,
    took_effect: Annotated[
        bool,
        typer.Option(
            "--took-effect/--no-effect", help="What you found out, where the effect would be."
        ),
    ],
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Note what became of a call in doubt, once its run is over; `doctor` names such calls.

    Look first where the effect would be, by the call's idempotency key. Nothing is called.
    """
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.desks import opened_desk, run_async
    from concertmaster.cli.places import workspace_at
    from concertmaster.cli.records import opened

    async def work() -> EffectRecord:
        from concertmaster.orchestrator.settling import settle as settled

        async with opened(home, workspace if home is None else None) as places:
            place = await _holding(places, id_)
        folder = workspace or workspace_at(place)
        async with opened_desk(folder, home=place, draft=draft, recover=False) as desk:
            return await settled(desk, id_, position, took_effect=took_effect, principal=who)

    row = run_async(work)
    if as_json:
        print_json(row.model_dump(mode="json", exclude={"result"}))
    else:
        took = "took effect" if took_effect else "had no effect"
        note(f"{row.tool} of {id_} {took}, as {who} found")


async def _holding(places: Sequence[Records], run: str) -> Path:
    """Return the home whose ledger has calls of a run."""
    from concertmaster.errors import UnknownRun

    sql = "SELECT 1 FROM effects WHERE run = ? LIMIT 1"
    for records in places:
        if await records.database.read(lambda c: c.execute(sql, (run,)).fetchone()):
            return records.home
    raise UnknownRun(
        f"no call of a run {run[:60]!r} is known here",
        hint="`concertmaster doctor` names the calls in doubt",
    )
