"""`concertmaster threads`: conversations, each run of one as a timeline, and their export."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertmaster.cli.options import HomeDir, Json, WorkspaceOf

if TYPE_CHECKING:
    from concertmaster.cli.records import Records
    from concertmaster.contracts import RunRecord
    from concertmaster.policies.redaction import Redaction

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Read what happened on each thread, and why.")

Id = Annotated[str, typer.Argument(metavar="ID", help="A thread's id, as `threads list` shows it.")]


@app.command("list", epilog="Example: concertmaster threads list -w examples/support_desk")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="At most so many of each home.")] = 20,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """List threads, the latest first."""
    from concertmaster.cli.console import note, print_json, put, styled
    from concertmaster.cli.queue import age
    from concertmaster.cli.records import opened
    from concertmaster.cli.timeline import STATUS_STYLES, badge, counted

    async def work() -> None:
        async with opened(home, workspace) as places:
            found = [(r, t) for r in places for t in await r.threads(limit)]
        if as_json:
            print_json([{**thread, "home": str(records.home)} for records, thread in found])
            return
        last = None
        for records, thread in found:
            if records.home != last:
                last = records.home
                put(styled(f"{records.label}  {last}", "dim"))
            line = styled(thread["id"], "bold")
            status = str(thread["status"] or "")
            line.append(f"  {badge(status)}", style=STATUS_STYLES.get(status, ""))
            line.append(f"  {thread['principal']}, {counted(int(thread['runs'] or 0), 'run')}")
            line.append(f", {age(str(thread['updated']))}", style="dim")
            put(line)
        if not found:
            note("no threads yet")

    asyncio.run(work())


@app.command(epilog="Example: concertmaster threads show thread-5f0c12ab34cd56ef")
def show(
    id_: Id,
    last: Annotated[
        int | None, typer.Option(min=1, help="Only so many runs, the latest ones.")
    ] = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Show a thread's runs as timelines: hops, evidence, decisions, calls, costs, outcomes."""
    from concertmaster.cli.console import print_json, put, styled
    from concertmaster.cli.records import find_thread, opened
    from concertmaster.cli.timeline import counted, timeline

    async def work() -> None:
        async with opened(home, workspace) as places:
            records, runs = await find_thread(places, id_)
            runs = runs[-last:] if last else runs
            if as_json:
                print_json({"thread": id_, "runs": [await _whole(records, run) for run in runs]})
                return
            put(styled(f"thread {id_}, {records.label}, {counted(len(runs), 'run')}", "dim"))
            for run in runs:
                put("")
                events = await records.events(run=run.id)
                put(timeline(run, events, await records.approvals(run=run.id)))

    asyncio.run(work())


@app.command(
    epilog="Example: concertmaster threads export thread-5f0c12ab34cd56ef --output thread.jsonl"
)
def export(
    id_: Id,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A new file; standard output without."),
    ] = None,
    as_stored: Annotated[
        bool, typer.Option("--as-stored", help="With the addresses and numbers that were kept.")
    ] = False,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
) -> None:
    """Write a thread as JSON lines: its runs, each followed by its approvals and events.

    What identifies people (e-mail, IBAN, telephone) is taken out, unless it is written as stored.
    """
    import json
    import sys

    from concertmaster.cli.console import note
    from concertmaster.cli.files import new_file
    from concertmaster.cli.records import find_thread, opened

    async def lines() -> list[str]:
        async with opened(home, workspace) as places:
            records, runs = await find_thread(places, id_)
            found = []
            for run in runs:
                whole = await _whole(records, run)
                events, approvals = whole.pop("events"), whole.pop("approvals")
                found.append({"kind": "run", **whole})
                found += [{"kind": "approval", **approval} for approval in approvals]
                found += [{"kind": "event", **event} for event in events]
            clean = None if as_stored else _redaction(workspace).told.clean
            return [json.dumps(clean(f) if clean else f, ensure_ascii=True) for f in found]

    written = asyncio.run(lines())
    text = "".join(f"{line}\n" for line in written)
    if output is None:
        sys.stdout.write(text)
        return
    with new_file(output) as file:
        file.write(text)
    note(f"{len(written)} lines written to {output}")


def _redaction(workspace: Path | None) -> Redaction:
    """Return the rules of the workspace that was named, or the usual ones."""
    from concertmaster.graphs.workspace import Workspace
    from concertmaster.policies.redaction import Redaction

    if workspace is None:
        return Redaction()
    return Redaction(Workspace.load(workspace).spec.workflow.redaction)


async def _whole(records: Records, run: RunRecord) -> dict[str, Any]:
    events = await records.events(run=run.id)
    return {
        **run.model_dump(mode="json"),
        "approvals": [a.model_dump(mode="json") for a in await records.approvals(run=run.id)],
        "events": [e.model_dump(mode="json") for e in events],
    }
