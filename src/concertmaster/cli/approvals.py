"""`concertmaster approvals`: the queue of calls that wait for people, and the answers to them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertmaster.cli import claims
from concertmaster.cli.options import Draft, HomeDir, Json, ModelName, Who, WorkspaceOf

if TYPE_CHECKING:
    from concertmaster.contracts import Answer, Approval

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See and decide the calls that wait for people.")

Id = Annotated[str, typer.Argument(metavar="ID", help="As `approvals list` shows it: apr-…")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why, for the record.")]


@app.command("list", epilog="Example: concertmaster approvals list --role finance")
def list_(
    role: Annotated[str | None, typer.Option(help="Only those that need this role.")] = None,
    status: Annotated[
        str,
        typer.Option(help="pending, approved, edited, rejected, responded, void, or all of them."),
    ] = "pending",
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """List approvals, the pending ones of all homes by default; those that are overdue first."""
    from concertmaster.cli.console import print_json
    from concertmaster.cli.queue import in_order, is_overdue, show_queue
    from concertmaster.cli.records import opened
    from concertmaster.contracts.approval import ApprovalStatus
    from concertmaster.errors import ConfigError

    known = ("all", *ApprovalStatus.__args__)  # type: ignore[attr-defined]
    if status not in known:
        raise ConfigError(f"{status!r} is no status", hint=f"one of {', '.join(known)}")
    wanted = None if status == "all" else status

    async def work() -> None:
        async with opened(home, workspace) as places:
            found = [
                (records, approval)
                for records in places
                for approval in in_order(await records.approvals(status=wanted, role=role))
            ]
            if as_json:
                told = [
                    (_plain(a), {"overdue": is_overdue(a), "home": str(r.home)}) for r, a in found
                ]
                print_json([plain | more for plain, more in told])
            else:
                show_queue(found, status)

    asyncio.run(work())


@app.command(epilog="Example: concertmaster approvals show apr-1a2b3c4d")
def show(
    id_: Id, workspace: WorkspaceOf = None, home: HomeDir = None, as_json: Json = False
) -> None:
    """Show one approval: the call, for whom, why a person looks at it, what became of it."""
    from concertmaster.cli.console import print_json
    from concertmaster.cli.queue import history, is_overdue, show_approval
    from concertmaster.cli.records import find_approval, opened

    async def work() -> None:
        async with opened(home, workspace) as places:
            records, approval = await find_approval(places, id_)
            record = await records.run(approval.run)
            told = history(approval, await records.events(run=approval.run))
            if as_json:
                print_json(
                    {
                        **_plain(approval),
                        "overdue": is_overdue(approval),
                        "history": told,
                        "home": str(records.home),
                        "message": record.text,
                        "run_status": record.status,
                    }
                )
            else:
                show_approval(approval, record, told)

    asyncio.run(work())


@app.command(epilog="Example: concertmaster approvals approve apr-1a2b3c4d --as li")
def approve(
    id_: Id,
    *,
    who: Who,
    reason: Reason = "",
    model: ModelName = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Let the call run as it stands, and take its run up again."""
    _decide(
        "approve",
        id_,
        who=who,
        home=home,
        workspace=workspace,
        model=model,
        draft=draft,
        as_json=as_json,
        reason=reason,
    )


@app.command(
    epilog="Example: concertmaster approvals edit apr-1a2b3c4d --as li --set amount=2500\n\n"
    """Example: concertmaster approvals edit apr-1a2b3c4d --as li --args '{"amount": 2500}'"""
)
def edit(
    id_: Id,
    *,
    who: Who,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change one argument; may be repeated."),
    ] = None,
    arguments: Annotated[
        str | None,
        typer.Option("--args", metavar="JSON", help="All of the arguments, as a JSON object."),
    ] = None,
    reason: Reason = "",
    model: ModelName = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Let the call run with other arguments; policy decides the edited call again."""
    _decide(
        "edit",
        id_,
        who=who,
        home=home,
        workspace=workspace,
        model=model,
        draft=draft,
        as_json=as_json,
        reason=reason,
        arguments=arguments,
        changes=tuple(changes or ()),
    )


@app.command(epilog="Example: concertmaster approvals reject apr-1a2b3c4d --as li -r 'no receipt'")
def reject(
    id_: Id,
    *,
    who: Who,
    reason: Reason = "",
    model: ModelName = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Do not run the call; the reason is told to the requester."""
    _decide(
        "reject",
        id_,
        who=who,
        home=home,
        workspace=workspace,
        model=model,
        draft=draft,
        as_json=as_json,
        reason=reason,
    )


@app.command(
    epilog="Example: concertmaster approvals respond apr-1a2b3c4d --as li --text 'Sent by post.'"
)
def respond(
    id_: Id,
    *,
    who: Who,
    text: Annotated[str, typer.Option("--text", help="What stands in for the tool's result.")],
    model: ModelName = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Do not run the call; the desk goes on with this text in place of its result."""
    _decide(
        "respond",
        id_,
        who=who,
        home=home,
        workspace=workspace,
        model=model,
        draft=draft,
        as_json=as_json,
        text=text,
    )


for _command, _example in claims.COMMANDS:
    app.command(epilog=_example)(_command)


def _decide(
    verb: str,
    id_: str,
    *,
    who: str,
    home: Path | None,
    workspace: Path | None,
    model: str | None,
    draft: bool,
    as_json: bool,
    **said: Any,
) -> None:
    from concertmaster.cli.answers import run_json, show_run
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.desks import custom_home, opened_desk, people_of, run_async
    from concertmaster.cli.places import workspace_at
    from concertmaster.cli.records import find_approval, opened

    async def work() -> int:
        async with opened(home, workspace if home is None else None) as places:
            records, approval = await find_approval(places, id_)
        answer = _answer(verb, approval, **said)
        async with opened_desk(
            workspace or workspace_at(records.home), home=records.home, model=model, draft=draft
        ) as desk:
            run = await desk.decide(id_, answer, principal=who)
            decided = await desk.services.approvals.get(id_)
            if as_json:
                print_json({**run_json(run), "approval": _plain(decided)})
            else:
                note(f"{id_} {decided.status} by {who}")
                show_run(run, home=custom_home(desk), people=people_of(desk), ms=None)
            return 6 if run.status == "failed" else 0

    raise typer.Exit(run_async(work))


def _answer(verb: str, approval: Approval, **said: Any) -> Answer:
    from concertmaster.cli.votes import edited_arguments, parse_vote
    from concertmaster.contracts import Edit

    if verb == "edit":
        changed = edited_arguments(approval, said["arguments"], said["changes"])
        return Edit(arguments=dict(changed), reason=said["reason"])
    return parse_vote(verb, (said.get("text") or said.get("reason") or "",), approval)


def _plain(approval: Approval) -> dict[str, Any]:
    return approval.model_dump(mode="json")
