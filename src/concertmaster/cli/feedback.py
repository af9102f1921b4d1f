"""`concertmaster feedback`: give it, list it, and decide what is learned from it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from concertmaster.cli.feedback_review import review
from concertmaster.cli.options import Draft, HomeDir, Json, Who, WorkspaceOf

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Give, list and review feedback on answers.")


@app.command(epilog="Example: concertmaster feedback add run-5f0c12ab34cd56ef down --as ana")
def add(
    id_: Annotated[str, typer.Argument(metavar="RUN", help="A run's id: run-…")],
    value: Annotated[str, typer.Argument(metavar="up|down", help="The thumb.")],
    *,
    who: Who,
    comment: Annotated[str, typer.Option("--comment", "-c", help="Why.")] = "",
    intent: Annotated[str | None, typer.Option(help="The intent that was meant.")] = None,
    answer: Annotated[str | None, typer.Option(help="What would have been right.")] = None,
    document: Annotated[str | None, typer.Option(help="The document that answers it.")] = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Say whether a run was right, and what would have been."""
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.desks import opened_desk, run_async
    from concertmaster.cli.places import workspace_at
    from concertmaster.cli.records import find_run, opened

    async def work() -> None:
        async with opened(home, workspace if home is None else None) as places:
            records, _ = await find_run(places, id_)
        folder = workspace or workspace_at(records.home)
        async with opened_desk(folder, home=records.home, draft=draft, recover=False) as desk:
            thumb: Any = value
            given = await desk.feedback(
                id_,
                principal=who,
                value=thumb,
                comment=comment,
                intent=intent,
                answer=answer,
                document=document,
            )
        if as_json:
            print_json(given.model_dump(mode="json"))
        else:
            note(f"{given.id} is stored; `concertmaster feedback review` decides what is learned")

    run_async(work)


@app.command("list", epilog="Example: concertmaster feedback list --status open")
def list_(
    status: Annotated[str, typer.Option(help="open, accepted, skipped or all.")] = "all",
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """List feedback, oldest first."""
    from concertmaster.cli.console import note, print_json, put, styled
    from concertmaster.cli.records import opened
    from concertmaster.errors import ConfigError
    from concertmaster.orchestrator.feedback import stored_feedback

    if status not in ("open", "accepted", "skipped", "all"):
        raise ConfigError(f"{status!r} is no status", hint="open, accepted, skipped or all")
    wanted: Any = None if status == "all" else status

    async def work() -> None:
        async with opened(home, workspace) as places:
            found = [(p, f) for p in places for f in await stored_feedback(p.database, wanted)]
        if as_json:
            print_json([{**f.model_dump(mode="json"), "home": str(p.home)} for p, f in found])
            return
        for _, feedback in found:
            line = styled(feedback.id, "bold")
            line.append(f"  {feedback.value}  {feedback.status}", style="dim")
            put(line)
            put(styled(f"  {feedback.principal} on {feedback.run}: {feedback.question[:60]}"))
            for name in ("comment", "intent", "answer", "document"):
                if told := getattr(feedback, name):
                    put(styled(f"  {name}: {told}"))
        if not found:
            note("no such feedback")

    asyncio.run(work())


app.command(epilog="Example: concertmaster feedback review examples/support_desk --as sam")(review)
