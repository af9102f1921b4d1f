"""From stored threads to datasets, and from people's decisions and ratings to feedback."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.contracts import FINAL, Approval, Edit, Respond, Turn
from concertmaster.contracts.feedback import Feedback
from concertmaster.errors import ConfigError, UnknownRun
from concertmaster.evaluation.cases import OUT_OF_SCOPE, Case
from concertmaster.evaluation.dataset import write_dataset
from concertmaster.evaluation.experiments import example_of
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.run import Run
from concertmaster.orchestrator.tracing import trace_id

if TYPE_CHECKING:
    from langsmith import Client

__all__ = ["Given", "export_to_dataset", "feedback_of", "send_feedback", "upload_cases"]

_KINDS = {"approved": "approve", "edited": "edit", "rejected": "reject", "responded": "respond"}
_SCORES = {"approved": 1.0, "edited": 0.5, "rejected": 0.0, "responded": 0.0}
_SPACE = uuid.UUID("6e0d0f5c-3c0a-4f0e-9d0b-6a0f3f2b7c11")


async def export_to_dataset(
    desk: Desk,
    threads: Iterable[str] | None,
    to: Path | str | Client,
    *,
    name: str | None = None,
) -> list[Case]:
    """Write stored threads as cases: what was said, who reviewed it, and what came of it.

    The texts are those that are stored, without personal data, as in traces. What came of them is
    what *was*, not what should have been: a person looks at the expectations before they count.

    Args:
        desk: whose threads they are.
        threads: their ids; all of them if None.
        to: a file of JSON Lines, or a LangSmith client.
        name: of the dataset in LangSmith; the workflow's by default.

    Raises:
        UnknownRun: there is no such thread.
        ConfigError: nothing can be exported: no run of the threads is at rest.
    """
    chosen = [str(t["id"]) for t in await desk.threads()] if threads is None else list(threads)
    cases = []
    for thread in chosen:
        runs = await desk.history(thread)
        if not runs:
            raise UnknownRun(f"there is no thread {thread!r}")
        case = await _case(desk, thread, runs)
        if case is not None:
            cases.append(case)
    if not cases:
        raise ConfigError("no run of these threads is at rest", hint="export them later")
    if isinstance(to, str | Path):
        write_dataset(Path(to), cases)
    else:
        upload_cases(to, name or desk.name, cases)
    return cases


def upload_cases(client: Client, name: str, cases: Sequence[Case]) -> str:
    """Store cases in a dataset of LangSmith, which is made if there is none; return its id."""
    found = client.has_dataset(dataset_name=name)
    dataset = client.read_dataset(dataset_name=name) if found else client.create_dataset(name)
    client.create_examples(dataset_id=dataset.id, examples=[example_of(case) for case in cases])
    return str(dataset.id)


async def _case(desk: Desk, thread: str, runs: Sequence[Run]) -> Case | None:
    rested = [r for r in runs if r.status in FINAL or r.status == "awaiting_review"]
    if not rested:
        return None
    said, reviewers = [], []
    for run in rested:
        approvals = await desk.services.approvals.list(run=run.id)
        reviewers += [line for a in approvals for line in _reviewed(a)]
        said.append({"text": run.text, "expected": _came(run, approvals)})
    last = said[-1]
    value = {
        "id": f"thread-{hashlib.sha256(thread.encode()).hexdigest()[:12]}",
        "principal": rested[-1].principal,
        "messages": [*said[:-1], last["text"]],
        "reviewer": [line for n, line in enumerate(reviewers) if line not in reviewers[:n]],
        "expected": last["expected"],
        "tags": ["exported"],
    }
    clean: dict[str, Any] = desk.services.redaction.told.clean(value)
    return Case.model_validate(clean)


def _reviewed(approval: Approval) -> list[dict[str, Any]]:
    lines = []
    for vote in approval.votes:
        line: dict[str, Any] = {
            "as": vote.by,
            "tool": approval.action.tool,
            "answer": vote.answer.kind,
        }
        if isinstance(vote.answer, Respond):
            line["text"] = vote.answer.text
        else:
            line["reason"] = vote.answer.reason
        if isinstance(vote.answer, Edit):
            line["arguments"] = vote.answer.arguments
        lines.append(line)
    return lines


def _came(run: Run, approvals: Sequence[Approval]) -> dict[str, Any]:
    """Return what came of a run as an expectation."""
    expected: dict[str, Any] = {
        "status": run.status,
        "effects": [str(e.data["tool"]) for e in run.events if e.type == "effect.done"],
        "reviewers": [n.role for a in approvals if not a.replaces for n in a.needs],
        "path": [str(e.data["to"]) for e in run.events if e.type == "route.hop"],
    }
    if run.outcome.owner:
        expected["owner"] = run.outcome.owner
    if run.outcome.citations:
        expected["citations"] = list(dict.fromkeys(c.document for c in run.outcome.citations))
    intent = _intent(run.turn)
    if intent:
        expected["intent"] = intent
    return expected


def _intent(turn: Turn | None) -> str | None:
    if turn is None or turn.intent is None:
        return None
    return turn.intent.name if turn.intent.in_scope else OUT_OF_SCOPE


@dataclass(frozen=True)
class Given:
    """One piece of feedback for LangSmith: what a person decided or thought of a run.

    `id` follows from what it stands for, so that sending it twice stores it once.
    """

    id: uuid.UUID
    run: str
    key: str
    score: float
    value: str
    comment: str
    correction: Mapping[str, str]
    source: Mapping[str, str]


async def feedback_of(desk: Desk, run: str) -> list[Given]:
    """Return what people decided and thought of a run, without personal data.

    Keys: `human_decision` for each decided approval (approved 1, edited 0.5, rejected or responded
    0), `user_rating` for each thumb (1 or 0).

    Raises:
        UnknownRun: there is no such run.
    """
    record = await desk.runs.get(run)
    decided = await desk.services.approvals.list(run=record.id)
    rated = [f for f in await desk.corrections.list() if f.run == record.id]
    clean = desk.services.redaction.told.clean
    found = [_decision(a) for a in decided if a.status in _SCORES] + [_rating(f) for f in rated]
    return [
        Given(
            id=one.id,
            run=one.run,
            key=one.key,
            score=one.score,
            value=one.value,
            comment=clean(one.comment),
            correction=clean(dict(one.correction)),
            source=one.source,
        )
        for one in found
    ]


def _decision(approval: Approval) -> Given:
    reasons = [v.answer.text if isinstance(v.answer, Respond) else v.answer.reason
               for v in approval.votes]  # fmt: skip
    return Given(
        id=uuid.uuid5(_SPACE, approval.id),
        run=approval.run,
        key="human_decision",
        score=_SCORES[approval.status],
        value=approval.status,
        comment="; ".join(filter(None, reasons)),
        correction={},
        source={"approval": approval.id, "tool": approval.action.tool},
    )


def _rating(given: Feedback) -> Given:
    named = {"intent": given.intent, "answer": given.answer, "document": given.document}
    return Given(
        id=uuid.uuid5(_SPACE, given.id),
        run=given.run,
        key="user_rating",
        score=1.0 if given.value == "up" else 0.0,
        value=given.value,
        comment=given.comment,
        correction={k: v for k, v in named.items() if v},
        source={"feedback": given.id, "role": given.role},
    )


async def send_feedback(
    desk: Desk, client: Client, *, project: str, runs: Iterable[str] | None = None
) -> int:
    """Send people's decisions and ratings to the traces of their runs; return how many.

    Args:
        desk: whose runs they are.
        client: of LangSmith.
        project: the project in which the runs are traced.
        runs: their ids; all of them if None.

    Raises:
        UnknownRun: there is no such run.
        LangSmithError: the service refused it or cannot be reached.
    """
    import asyncio

    chosen = (
        [r.id for t in await desk.threads() for r in await desk.history(str(t["id"]))]
        if runs is None
        else list(runs)
    )
    session = (await asyncio.to_thread(client.read_project, project_name=project)).id
    sent = 0
    for run in chosen:
        trace = trace_id(await desk.runs.get(run))
        for given in await feedback_of(desk, run):
            await asyncio.to_thread(_send, client, given, trace, session)
            sent += 1
    return sent


def _send(client: Client, given: Given, trace: uuid.UUID, session: uuid.UUID) -> None:
    client.create_feedback(
        run_id=trace,
        trace_id=trace,
        session_id=session,
        key=given.key,
        score=given.score,
        value=given.value,
        comment=given.comment or None,
        correction=dict(given.correction) or None,
        source_info={"concertmaster_run": given.run, **given.source},
        feedback_id=given.id,
    )
