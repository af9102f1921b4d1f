"""`concertmaster feedback review`: each candidate with what it would add; accept, edit or skip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertmaster.cli.options import Draft, HomeDir, Json, Who, WorkspaceDir

if TYPE_CHECKING:
    from concertmaster.contracts import Principal
    from concertmaster.contracts.feedback import Feedback
    from concertmaster.orchestrator.desk import Desk

__all__ = ["review"]


def review(
    workspace: WorkspaceDir,
    *,
    who: Who,
    accepted: Annotated[
        list[str] | None, typer.Option("--accept", metavar="ID", help="Accept this one, unasked.")
    ] = None,
    skipped: Annotated[
        list[str] | None, typer.Option("--skip", metavar="ID", help="Skip this one, unasked.")
    ] = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Decide what is learned from feedback: nothing is written that nobody accepted."""
    from concertmaster.cli.console import print_json
    from concertmaster.cli.desks import opened_desk, run_async

    async def work() -> None:
        async with opened_desk(workspace, home=home, draft=draft, recover=False) as desk:
            person = desk.people.admit(who)
            waiting = {f.id: f for f in await desk.corrections.list("open")}
            if accepted or skipped:
                done = await _decide(desk, waiting, accepted or [], skipped or [], person)
            elif as_json:
                done = [await _shown(desk, feedback) for feedback in waiting.values()]
            else:
                done = await _ask(desk, waiting, person)
        if as_json:
            print_json(done)

    run_async(work)


async def _decide(
    desk: Desk,
    waiting: dict[str, Feedback],
    accepted: list[str],
    skipped: list[str],
    who: Principal,
) -> list[dict[str, Any]]:
    from concertmaster.errors import ConfigError
    from concertmaster.orchestrator.feedback_review import accept, skip

    unknown = [id_ for id_ in (*accepted, *skipped) if id_ not in waiting]
    if unknown:
        raise ConfigError(
            f"no feedback {unknown[0]!r} waits here", hint="see `concertmaster feedback list`"
        )
    done = [await accept(desk, waiting[id_], who) for id_ in dict.fromkeys(accepted)]
    done += [await skip(desk, waiting[id_], who) for id_ in dict.fromkeys(skipped)]
    _report(done)
    return [feedback.model_dump(mode="json") for feedback in done]


async def _shown(desk: Desk, feedback: Feedback) -> dict[str, Any]:
    from concertmaster.errors import WorkspaceError
    from concertmaster.orchestrator.feedback_review import candidate

    try:
        found = await candidate(desk, feedback)
        adds: Any = [{"file": a.file, "line": a.line} for a in found]
    except WorkspaceError as error:
        return {**feedback.model_dump(mode="json"), "adds": [], "refused": error.message}
    return {**feedback.model_dump(mode="json"), "adds": adds}


async def _ask(desk: Desk, waiting: dict[str, Feedback], who: Principal) -> list[dict[str, Any]]:
    import asyncio

    from concertmaster.cli.console import note, put, styled
    from concertmaster.orchestrator.feedback_review import accept, skip

    done = []
    for feedback in waiting.values():
        current = feedback
        while True:
            shown = await _shown(desk, current)
            put(styled(f"{current.id}  {current.value}  from {current.principal}", "bold"))
            put(styled(f"  asked: {current.question}"))
            if current.comment:
                put(styled(f"  comment: {current.comment}"))
            for addition in shown["adds"]:
                put(styled(f"  {addition['file']}: + {addition['line'] or '(there already)'}"))
            if "refused" in shown:
                note(shown["refused"])
            elif not shown["adds"]:
                note("it would add nothing")
            said = await asyncio.to_thread(
                typer.prompt, "accept, edit, skip, later or quit", default="later"
            )
            choice = said.strip().lower()[:1]
            if choice == "e":
                current = await asyncio.to_thread(_edited, current)
                continue
            if choice == "a":
                done.append(await accept(desk, current, who))
            elif choice == "s":
                done.append(await skip(desk, current, who))
            break
        if choice == "q":
            break
    if not waiting:
        note("no feedback waits")
    _report(done)
    return [feedback.model_dump(mode="json") for feedback in done]


def _edited(feedback: Feedback) -> Feedback:
    changes = {}
    for name in ("question", "intent", "answer", "document"):
        said = typer.prompt(name, default=getattr(feedback, name) or "", show_default=True)
        changes[name] = " ".join(said.split()) or None
    changes["question"] = changes["question"] or feedback.question
    return feedback.model_copy(update=changes)


def _report(done: list[Feedback]) -> None:
    from concertmaster.cli.console import note

    for feedback in done:
        where = f": added to {', '.join(feedback.added)}" if feedback.added else ""
        note(f"{feedback.id} is {feedback.status}{where}")
