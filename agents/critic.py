"""The critic: deterministic checks of the draft before anybody sees it."""

from __future__ import annotations

from typing import Any

from concertmaster.agents.support import check_access, check_sentence
from concertmaster.agents.task import Task
from concertmaster.contracts import Draft, Finding, Verdict
from concertmaster.policies.conditions import ConditionError, Expression

__all__ = ["judge"]


async def judge(task: Task) -> dict[str, Any]:
    """Check the draft against evidence, results, access and business rules.

    An unsupported sentence asks for a revision, a breach of access or of a business rule
    escalates at once, and so does a draft that still fails when no revision is left.
    """
    draft = task.turn.draft
    verdict = _verdict(task, draft) if draft is not None else _nothing()
    task.record(
        "critic.judged",
        why=verdict.why or f"verdict: {verdict.status}",
        status=verdict.status,
        supported=verdict.supported,
        findings=[f.model_dump() for f in verdict.findings],
    )
    return {"verdict": verdict}


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
    findings: list[Finding] = []
    for index, sentence in enumerate(draft.sentences):
        findings += check_sentence(index, sentence, evidence, results, turn.request.resolved)
    factual = [i for i, s in enumerate(draft.sentences) if s.basis != "form"]
    wrong = {f.sentence for f in findings}
    supported = 1 - len(wrong & set(factual)) / len(factual) if factual else 1.0
    if not findings:
        return Verdict(status="pass", supported=supported)
    if turn.revisions < task.services.spec.workflow.limits.revisions:
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
