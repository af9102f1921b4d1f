"""`concertmaster approvals claim`, `release` and `sweep`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertmaster.cli.options import Draft, HomeDir, Json, ModelName, Who, WorkspaceOf

if TYPE_CHECKING:
    from concertmaster.contracts import Approval
    from concertmaster.orchestrator.desk import Desk
    from concertmaster.orchestrator.run import Run

__all__ = ["COMMANDS", "claim", "release", "sweep"]

_Id = Annotated[str, typer.Argument(metavar="ID", help="As `approvals list` shows it: apr-…")]


def claim(
    id_: _Id,
    *,
    who: Who,
    span: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long: 90s, 15m, 2h; at most 8h.")
    ] = "15m",
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Take an approval on for a while; nobody else answers it in your place meanwhile."""
    seconds = _seconds(span)

    async def work(desk: Desk) -> Approval:
        return await desk.claim(id_, principal=who, seconds=seconds)

    claimed = _change(id_, home, workspace, draft, work)
    _told(claimed, as_json, f"{id_} claimed by {who} until {_until(claimed, who)}")


def release(
    id_: _Id,
    *,
    who: Who,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Let go of a claim."""

    async def work(desk: Desk) -> Approval:
        return await desk.release(id_, principal=who)

    released = _change(id_, home, workspace, draft, work)
    _told(released, as_json, f"{id_} released by {who}")


def sweep(
    *,
    model: ModelName = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Have every deadline that is over take effect, in all homes; for a timer to call."""
    from concertmaster.cli.console import note, print_json, put, styled
    from concertmaster.cli.desks import opened_desk, run_async
    from concertmaster.cli.places import workspace_at

    async def work() -> list[tuple[Path, Run]]:
        swept = []
        for place in await _late(home, workspace):
            folder = workspace or workspace_at(place)
            async with opened_desk(
                folder, home=place, model=model, draft=draft, recover=False
            ) as desk:
                swept += [(place, run) for run in await desk.sweep()]
        return swept

    swept = run_async(work)
    if as_json:
        print_json([{"home": str(p), "run": r.id, "status": r.status} for p, r in swept])
        return
    for _, run in swept:
        waits = f", {run.pending[0].id} waits" if run.pending else ""
        put(styled(f"{run.id}  {run.status.replace('_', ' ')}{waits}"))
    if not swept:
        note("nothing is overdue")


COMMANDS: tuple[tuple[Callable[..., None], str], ...] = (
    (claim, "Example: concertmaster approvals claim apr-1a2b3c4d --as li --for 30m"),
    (release, "Example: concertmaster approvals release apr-1a2b3c4d --as li"),
    (sweep, "Example: concertmaster approvals sweep"),
)
"""The commands with their examples."""


async def _late(home: Path | None, workspace: Path | None) -> list[Path]:
    """Return the homes in which something is overdue."""
    from concertmaster.cli.records import opened
    from concertmaster.contracts import now
    from concertmaster.contracts.deadline import utc
    from concertmaster.policies.deadlines import overdue

    at = utc(now())
    async with opened(home, None if home else workspace) as places:
        return [
            records.home
            for records in places
            if any(overdue(a, at) for a in await records.approvals(status="pending"))
        ]


def _change(
    id_: str,
    home: Path | None,
    workspace: Path | None,
    draft: bool,
    work: Callable[[Desk], Coroutine[Any, Any, Approval]],
) -> Approval:
    from concertmaster.cli.desks import opened_desk, run_async
    from concertmaster.cli.places import workspace_at
    from concertmaster.cli.records import find_approval, opened

    async def change() -> Approval:
        async with opened(home, workspace if home is None else None) as places:
            records, _ = await find_approval(places, id_)
        folder = workspace or workspace_at(records.home)
        async with opened_desk(folder, home=records.home, draft=draft) as desk:
            return await work(desk)

    return run_async(change)


def _told(approval: Approval, as_json: bool, line: str) -> None:
    from concertmaster.cli.console import note, print_json

    if as_json:
        print_json(approval.model_dump(mode="json"))
    else:
        note(line)


def _until(approval: Approval, who: str) -> str:
    until = next(claim.until for claim in approval.claims if claim.by == who)
    return f"{until[:16].replace('T', ' ')} UTC"


def _seconds(span: str) -> float:
    from pydantic import TypeAdapter, ValidationError

    from concertmaster.contracts.written import Span
    from concertmaster.errors import ConfigError

    try:
        return TypeAdapter[float](Span).validate_python(span)
    except ValidationError:
        raise ConfigError(f"{span!r} is no time", hint="write 90s, 15m or 2h") from None
