"""Playing a case on an open desk: its messages, and what its reviewers answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from concertmaster.contracts import Answer, Approval, Status, new_id
from concertmaster.errors import ConcertmasterError
from concertmaster.evaluation.cases import Case, Review, Said
from concertmaster.evaluation.recorded import Recorded, RecordedTurn, record_run
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.run import Run

__all__ = ["Reviewer", "play", "versions_of"]

Reviewer = Callable[[Approval], "tuple[str, Answer] | None"]
"""Answers an approval as a person: `(id, answer)`, or None to leave it."""

_MOST = 100


@dataclass
class _Played:
    """The conversation so far."""

    thread: str = field(default_factory=lambda: new_id("evaluation"))
    turns: list[RecordedTurn] = field(default_factory=list)
    error: str | None = None


async def play(desk: Desk, case: Case, *, reviewer: Reviewer | None = None) -> Recorded:
    """Play a case on a thread of its own and return how it went.

    What the desk or a tool raises ends the conversation and is its `error`; nothing is raised. A
    run that waits for a person whom the case does not script stays so, which is no error.

    Args:
        desk: where it is played.
        case: the conversation.
        reviewer: answers what no line of the case's own reviewers fits.
    """
    played = _Played()
    for number, said in enumerate(case.turns, start=1):
        try:
            run = await _say(desk, case, said, played=played, reviewer=reviewer)
        except Exception as error:  # A case that crashes counts as failed; the others go on.
            played.error = f"message {number}: {_cause(error)}"
            break
        if run.status == "failed" and said.expected.status != "failed":
            played.error = f"message {number} failed: {run.outcome.cause or 'no cause given'}"
            break
    return Recorded(
        case=case.id,
        workflow=desk.name,
        turns=tuple(played.turns),
        error=played.error,
        versions=versions_of(desk),
    )


def versions_of(desk: Desk) -> dict[str, str]:
    """Return what decided a run: the digests of the policies and of the workflow's description."""
    from concertmaster.contracts import digest

    spec = desk.services.spec.model_dump(mode="json")
    return {"policies": desk.services.gate.bundle, "workflow": digest(spec)}


async def _say(
    desk: Desk, case: Case, said: Said, *, played: _Played, reviewer: Reviewer | None
) -> Run:
    begun = perf_counter()
    run = await desk.run(said.text, principal=case.principal, thread=played.thread)
    seconds, first = perf_counter() - begun, run.status
    answered: set[tuple[str, str]] = set()
    try:
        for _ in range(_MOST):
            vote = _next(case.reviewer, run, answered, reviewer)
            if vote is None:
                break
            approval, who, answer = vote
            answered.add((approval.id, who))
            begun = perf_counter()
            decided = await desk.decide(approval.id, answer, principal=who)
            # A run that goes on waiting for others is handed back without its turn.
            run = replace(decided, turn=decided.turn or run.turn)
            seconds += perf_counter() - begun
    finally:
        played.turns.append(await _recorded(desk, run, first, seconds))
    return run


async def _recorded(desk: Desk, run: Run, first: Status, seconds: float) -> RecordedTurn:
    asked = await desk.services.approvals.list(run=run.id)
    return record_run(run, asked, first=first, seconds=seconds)


def _next(
    lines: Sequence[Review], run: Run, answered: set[tuple[str, str]], reviewer: Reviewer | None
) -> tuple[Approval, str, Answer] | None:
    """Return who answers what next, and how; None if nobody does."""
    for approval in run.pending:
        for line in lines:
            fits = line.tool in (None, approval.action.tool)
            if fits and (approval.id, line.who) not in answered:
                return approval, line.who, line.vote(approval)
        given = reviewer(approval) if reviewer else None
        if given is not None and (approval.id, given[0]) not in answered:
            return approval, given[0], given[1]
    return None


def _cause(error: Exception) -> str:
    if isinstance(error, ConcertmasterError):
        return f"{error.code} {error.message}"
    return f"{type(error).__name__}: {error}"
