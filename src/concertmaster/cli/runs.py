"""`concertmaster runs`: every message that was taken, cancelling one, taking lost ones up."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from concertmaster.cli.options import (
    Draft,
    HomeDir,
    Json,
    ModelName,
    Who,
    WorkspaceDir,
    WorkspaceOf,
)
from concertmaster.cli.settle import EXAMPLE as SETTLE
from concertmaster.cli.settle import settle

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List, cancel, recover and settle runs.")

_OPEN = ("queued", "running", "awaiting_review")


@app.command("list", epilog="Example: concertmaster runs list --status awaiting_review")
def list_(
    status: Annotated[
        str, typer.Option(help="One status; open: those that have not ended; or all.")
    ] = "all",
    last: Annotated[int, typer.Option(min=1, help="At most so many of each home.")] = 20,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """List runs, oldest first."""
    from concertmaster.cli.console import note, print_json, put, styled
    from concertmaster.cli.queue import age
    from concertmaster.cli.records import opened
    from concertmaster.cli.timeline import STATUS_STYLES, badge

    wanted = _statuses(status)

    async def work() -> None:
        async with opened(home, workspace) as places:
            found = [(r, run) for r in places for run in (await r.runs(*wanted))[-last:]]
        if as_json:
            print_json([{**r.model_dump(mode="json"), "home": str(p.home)} for p, r in found])
            return
        place = None
        for records, run in found:
            if records.home != place:
                place = records.home
                put(styled(f"{records.label}  {place}", "dim"))
            line = styled(run.id, "bold")
            line.append(f"  {badge(run.status)}", style=STATUS_STYLES.get(run.status, ""))
            line.append(f"  {age(run.updated)}", style="dim")
            put(line)
            text = " ".join(run.text.split())
            put(styled(f"  {run.principal.id}: {text[:60]}{'…' if len(text) > 60 else ''}"))
        if not found:
            note("no such runs")

    asyncio.run(work())


def _statuses(status: str) -> tuple[Any, ...]:
    from typing import get_args

    from concertmaster.contracts import Status
    from concertmaster.errors import ConfigError

    known = get_args(Status)
    if status == "all":
        return known
    if status == "open":
        return _OPEN
    if status not in known:
        raise ConfigError(f"{status!r} is no status", hint=f"one of all, open, {', '.join(known)}")
    return (status,)


@app.command(epilog="Example: concertmaster runs cancel run-5f0c12ab34cd56ef --as ana")
def cancel(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A run's id: run-…")],
    *,
    who: Who,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for the record.")] = "",
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """End a run of one's own; what waits for a person is void, what was done stays done."""
    from concertmaster.cli.answers import run_json
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.desks import opened_desk, run_async
    from concertmaster.cli.places import workspace_at
    from concertmaster.cli.records import find_run, opened

    async def work() -> int:
        async with opened(home, workspace if home is None else None) as places:
            records, before = await find_run(places, id_)
        folder = workspace or workspace_at(records.home)
        async with opened_desk(folder, home=records.home, draft=draft, recover=False) as desk:
            run = await desk.cancel(id_, principal=who, why=reason)
        if as_json:
            print_json(run_json(run))
        elif run.status == "cancelled" and before.status != "cancelled":
            note(f"{id_} is cancelled; thread {run.thread} goes on")
        else:
            note(f"{id_} had ended before: {run.status}")
        return 0 if run.status == "cancelled" else 1

    raise typer.Exit(run_async(work))


@app.command(epilog="Example: concertmaster runs recover examples/support_desk")
def recover(
    workspace: WorkspaceDir,
    model: ModelName = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Take up the runs that a vanished process left, and those that were decided meanwhile."""
    from concertmaster.cli.answers import run_json, show_run
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.cli.desks import custom_home, opened_desk, people_of, run_async
    from concertmaster.cli.timeline import counted

    async def work() -> None:
        async with opened_desk(
            workspace, home=home, model=model, draft=draft, recover=False
        ) as desk:
            found = await desk.recover()
            if as_json:
                print_json([run_json(run) for run in found])
                return
            for run in found:
                show_run(run, home=custom_home(desk), people=people_of(desk), ms=None)
                put("")
            note(f"{counted(len(found), 'run')} taken up")

    run_async(work)


app.command(epilog=SETTLE)(settle)
