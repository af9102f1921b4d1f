"""`concertmaster audit`: the trail of events with their reasons."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli import audit_erase, audit_export, audit_keys, audit_verify, audit_why
from concertmaster.cli.options import HomeDir, Json, WorkspaceOf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from concertmaster.contracts import AuditEvent

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Read, verify, export and erase what the audit trail holds."
)


@app.command(epilog="Example: concertmaster audit show --thread t-1 --type policy.decided")
def show(
    *,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Only this run.")] = None,
    thread: Annotated[str | None, typer.Option(metavar="ID", help="Only this thread.")] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only this type, or family; may be repeated."),
    ] = None,
    last: Annotated[
        int, typer.Option(min=0, help="At most so many of each home, the latest; 0 for all.")
    ] = 200,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Show events in their order: when, what, who, why. A family is the part before the dot."""
    from concertmaster.cli.audit_types import event_types
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.records import find_run, find_thread, opened

    wanted = event_types(types or ())

    async def work() -> None:
        async with opened(home, workspace) as places:
            chosen = places
            if run is not None:
                chosen = [(await find_run(places, run))[0]]
            elif thread is not None:
                chosen = [(await find_thread(places, thread))[0]]
            found: list[tuple[str, AuditEvent]] = []
            for records in chosen:
                events = await records.events(run=run, thread=thread, types=wanted)
                left_out = len(events) - last if last else 0
                if left_out > 0:
                    note(f"{left_out} earlier events of {records.home} are not shown: --last 0")
                found += [(str(records.home), event) for event in events[-last:]]
        if as_json:
            print_json([{**e.model_dump(mode="json"), "home": place} for place, e in found])
        else:
            _show([event for _, event in found])

    asyncio.run(work())


for _command, _example in (
    (audit_why.why, audit_why.EXAMPLE),
    (audit_verify.verify, audit_verify.EXAMPLE),
    (audit_export.export, audit_export.EXAMPLE),
    (audit_erase.erase, audit_erase.EXAMPLE),
):
    app.command(epilog=_example)(_command)
app.add_typer(audit_keys.app, name="keys")


def _show(events: Sequence[AuditEvent]) -> None:
    from rich.padding import Padding

    from concertmaster.cli.console import note, put, safe, styled

    for event in events:
        line = styled(f"{event.seq:>6}  {event.time[:19].replace('T', ' ')}  ", "dim")
        line.append(f"{event.type:<18}", style="cyan")
        line.append(f"  {safe(event.actor)}")
        put(line)
        put(Padding(styled(event.why, "dim"), (0, 0, 0, 8)))
    if not events:
        note("no such events")
