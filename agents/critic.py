"""The critic: deterministic checks of the draft before anybody sees it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from concertmaster.agents.judging import second_opinion
from concertmaster.agents.similarity import similarity_of
from concertmaster.agents.support import check_access, check_sentence
from concertmaster.agents.task import Task
from concertmaster.contracts import Draft, Finding, Usage, Verdict
from concertmaster.policies.conditions import ConditionError, Expression

__all__ = ["judge"]


async def judge(task: Task) -> dict[str, Any]:
    """Check the draft against evidence, results, access and business rules.

    An unsupported sentence asks for a revision, a breach of access or of a business rule
    escalates at once, and so does a draft that still fails when no revision is left. Where the
    step declares a predictor or a model, that is asked about what passed so far; it can only
    object.
    """
    draft = task.turn.draft
    if draft is None:
        verdict, usage = _nothing(), task.turn.usage
    else:
        # Vectors of sentences take milliseconds of computing: not on the event loop.
        verdict = await asyncio.to_thread(_verdict, task, draft)
        verdict, usage = await _judged(task, draft, verdict)
    task.record(
        "critic.judged",
        why=verdict.why or f"verdict: {verdict.status}",
        status=verdict.status,
        supported=verdict.supported,
        findings=[f.model_dump() for f in verdict.findings],
    )
    return {"verdict": verdict, "usage": usage}


async def _judged(task: Task, draft: Draft, verdict: Verdict) -> tuple[Verdict, Usage]:
    """Return the verdict with a judge's objections, if one is declared and all passed so far."""
    if verdict.status != "pass":
        return verdict, task.turn.usage
    objections, usage = await second_opinion(task, draft)
    return (_concluded(task, draft, objections) if objections else verdict), usage


def _nothing() -> Verdict:
    return Verdict(status="escalate", supported=0.0, why="there is no draft to judge")


def _verdict(task: Task, draft: Draft) -> Verdict:
    if not draft.text.strip():
        return Verdict(status="escalate", supported=0.0, why="nothing in the sources answers this")
    turn = task.turn
    evidence = {e.number: e for e in turn.retrieved.evidence} if turn.retrieved else {}
    results = tuple(turn.results.values())
    if not all(check_access(s, evidence, task.session.principal) for s in draft.sentences):
        return Verdict(
            status="escalate", supported=0.0, why="a source may not be read by the reader"
        )
    broken = _business(task, draft)
    if broken:
        return Verdict(status="escalate", findings=tuple(broken), why=broken[0].why)
    given, similarity = _given(task, draft), similarity_of(task.services.embedder)
    findings: list[Finding] = []
    for index, sentence in enumerate(draft.sentences):
        findings += check_sentence(index, sentence, evidence, results, given, similarity=similarity)
    return _concluded(task, draft, findings)


def _given(task: Task, draft: Draft) -> str:
    """Return what a report of results may repeat besides: for a model, only what was carried out.

    A fixed wording fills in what the principal wrote; a model might take that for a fact.
    """
    if draft.method != "model":
        return task.turn.request.resolved
    called = (a.arguments for a in task.turn.actions if str(a.position) in task.turn.results)
    return " ".join(json.dumps(arguments, ensure_ascii=False) for arguments in called)


def _concluded(task: Task, draft: Draft, findings: list[Finding]) -> Verdict:
    factual = [i for i, s in enumerate(draft.sentences) if s.basis != "form"]
    wrong = {f.sentence for f in findings}
    supported = 1 - len(wrong & set(factual)) / len(factual) if factual else 1.0
    if not findings:
        return Verdict(status="pass", supported=supported)
    if task.turn.revisions < task.services.spec.workflow.limits.revisions:
        return Verdict(status="revise", findings=tuple(findings), supported=supported)
    return Verdict(
        status="escalate",
        findings=tuple(findings),
        supported=supported,
        why="the draft still lacks support after the revisions allowed",
    )


def _business(task: Task, draft: Draft) -> list[Finding]:
    intent, principal = task.turn.intent, task.session.principal
    known = {
        "draft": {"text": draft.text, "method": draft.method, "asks": draft.asks},
        "intent": intent.model_dump(mode="json") if intent else None,
        "principal": {"id": principal.id, "roles": list(principal.roles)},
    }
    found = []
    for rule in task.services.spec.workflow.rules:
        try:
            holds = Expression.compile(rule.check).value(known) is True
        except ConditionError:
            holds = False
        if not holds:
            found.append(Finding(check=f"rule:{rule.id}", sentence=None, why=rule.why))
    return found
