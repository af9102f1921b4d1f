"""What evaluators look at: how each message of a case went, read from its run and its trail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from concertmaster.agents.grounding import THRESHOLD
from concertmaster.agents.support import support
from concertmaster.contracts import (
    Approval,
    AuditEvent,
    Draft,
    Edit,
    Evidence,
    Record,
    Status,
    Turn,
)
from concertmaster.evaluation.authority import Carried, carried_out
from concertmaster.evaluation.cases import OUT_OF_SCOPE
from concertmaster.orchestrator.run import Run

__all__ = ["Called", "Recorded", "RecordedTurn", "record_run"]


class Called(Record):
    """A call that was proposed, with the arguments that counted last, and what came of it."""

    tool: str
    arguments: dict[str, Any]
    status: str


class RecordedTurn(Record):
    """How one message went.

    `status` is how the run ended or stands, `first` how it stood before anybody reviewed it.
    `path` are the supervisor's targets. `reviewers` are the roles that were asked, `answers` what
    they said. `grounded` is the share of the answer's factual sentences that its sources support,
    measured again without the critic; None where there are none. `seconds` leaves out the time that
    reviewers took.
    """

    run: str
    thread: str
    status: Status
    first: Status
    text: str = ""
    owner: str | None = None
    cause: str | None = None
    intent: str | None = None
    path: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    tools: tuple[Called, ...] = ()
    carried: tuple[Carried, ...] = ()
    reviewers: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    verdict: str | None = None
    grounded: float | None = None
    cost: float = 0.0
    tokens: int = 0
    model_calls: int = 0
    seconds: float = 0.0


class Recorded(Record):
    """How a case went. `error` is why it could not be played to its end; plain JSON throughout."""

    case: str
    workflow: str = ""
    turns: tuple[RecordedTurn, ...] = ()
    error: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def cost(self) -> float:
        """What the whole conversation cost, in USD."""
        return sum(turn.cost for turn in self.turns)

    @property
    def seconds(self) -> float:
        """How long the workflow worked on it."""
        return sum(turn.seconds for turn in self.turns)


def record_run(
    run: Run, approvals: Sequence[Approval] = (), *, first: Status, seconds: float
) -> RecordedTurn:
    """Return what evaluators look at of a run at rest.

    Args:
        run: the run, with its trail.
        approvals: those that the run asked for: an edit tells what was called in the end.
        first: how it stood before anybody reviewed it.
        seconds: how long the workflow worked on it.
    """
    turn, events = run.turn, run.events
    usage = turn.usage if turn else None
    return RecordedTurn(
        run=run.id,
        thread=run.thread,
        status=run.status,
        first=first,
        text=run.outcome.text,
        owner=run.outcome.owner,
        cause=run.outcome.cause,
        intent=_intent(turn),
        path=tuple(str(e.data.get("to")) for e in events if e.type == "route.hop"),
        documents=turn.retrieved.documents if turn and turn.retrieved else (),
        citations=tuple(dict.fromkeys(c.document for c in run.outcome.citations)),
        tools=_called(turn, run, approvals),
        carried=carried_out(events),
        reviewers=_roles(events),
        answers=_told(events, "answer"),
        approvals=tuple(dict.fromkeys(_told(events, "approval"))),
        verdict=turn.verdict.status if turn and turn.verdict else None,
        grounded=_grounded(turn) if run.status == "answered" else None,
        cost=usage.cost if usage else 0.0,
        tokens=usage.input_tokens + usage.output_tokens if usage else 0,
        model_calls=usage.model_calls if usage else 0,
        seconds=seconds,
    )


def _intent(turn: Turn | None) -> str | None:
    if turn is None or turn.intent is None:
        return None
    return turn.intent.name if turn.intent.in_scope else OUT_OF_SCOPE


def _called(turn: Turn | None, run: Run, approvals: Sequence[Approval]) -> tuple[Called, ...]:
    if turn is None:
        return ()
    waiting = {approval.position for approval in run.pending}
    edited = {
        approval.position: vote.answer.arguments
        for approval in approvals
        for vote in approval.votes
        if approval.status == "edited" and isinstance(vote.answer, Edit)
    }
    return tuple(
        Called(
            tool=action.tool,
            arguments=edited.get(action.position, action.arguments),
            status=turn.results[str(action.position)].status
            if turn.settled(action)
            else ("waiting" if action.position in waiting else "proposed"),
        )
        for action in turn.actions
    )


def _roles(events: Sequence[AuditEvent]) -> tuple[str, ...]:
    """Return the roles that were asked, a role once for each approval that needs it."""
    return tuple(
        sorted(
            str(need["role"])
            for event in events
            if event.type == "approval.requested"
            for need in event.data.get("needs") or ()
        )
    )


def _told(events: Sequence[AuditEvent], field: str) -> tuple[str, ...]:
    return tuple(
        str(e.data[field]) for e in events if e.type == "approval.answered" and field in e.data
    )


def _grounded(turn: Turn | None) -> float | None:
    if turn is None or turn.draft is None:
        return None
    evidence = {e.number: e for e in turn.retrieved.evidence} if turn.retrieved else {}
    measured = _measured(turn.draft, evidence)
    judged = turn.verdict.supported if turn.verdict else None
    known = [share for share in (measured, judged) if share is not None]
    factual = any(s.basis in ("evidence", "tool") for s in turn.draft.sentences)
    return min(known) if known and factual else None


def _measured(draft: Draft, evidence: dict[int, Evidence]) -> float | None:
    """Return the share of the sentences on evidence that the passages they cite support."""
    claims = [s for s in draft.sentences if s.basis == "evidence"]
    if not claims:
        return None
    sound = 0
    for claim in claims:
        passages = [evidence[c.number].text for c in claim.citations if c.number in evidence]
        sound += bool(passages) and support(claim.text, passages) >= THRESHOLD
    return sound / len(claims)
