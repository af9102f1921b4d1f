"""The responder: a playbook's wording, a model's, or the evidence's own sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from concertmaster.agents.asking import ask, chosen, composed
from concertmaster.agents.executor import playbook_of, variables
from concertmaster.agents.extractive import MOST, cite, extract
from concertmaster.agents.playbook import reply as playbook_reply
from concertmaster.agents.prompts import answer_prompt
from concertmaster.agents.summarizing import with_summary
from concertmaster.agents.task import Task
from concertmaster.agents.words import coverage
from concertmaster.contracts import ActionResult, Draft, Evidence, Sentence
from concertmaster.errors import ModelError
from concertmaster.policies.conditions import ConditionError
from concertmaster.retrieval.sentences import split_sentences

__all__ = ["compose"]

Basis = Literal["evidence", "tool", "request", "form"]
Method = Literal["model", "extractive", "template"]

_MARK = re.compile(r"\s*\[(\d{1,3})\]")
_QUESTION = 14
_INTERROGATIVE = re.compile(
    r"(?:is|are|do|does|did|can|could|would|will|shall|should|may|have|has|what|which|when|where|"
    r"who|whose|how|why)\b[^,;:.]*$",
    re.IGNORECASE,
)
_STATED = {
    "denied": "This was not done: {message}",
    "rejected": "A reviewer decided against it: {message}",
    "failed": "This could not be done: {message}",
    "in_doubt": "Whether this took place is being checked by a person: {message}",
}


async def compose(task: Task) -> dict[str, Any]:
    """Write the draft and record how it came about."""
    draft, spent = await _draft(task)
    task.record(
        "draft.composed",
        why=f"composed as {draft.method}",
        method=draft.method,
        sentences=len(draft.sentences),
        cited=sorted({c.document for s in draft.sentences for c in s.citations}),
    )
    revisions = task.turn.revisions
    if task.turn.verdict is not None and task.turn.verdict.status == "revise":
        revisions += 1
    return {"draft": draft, "verdict": None, "revisions": revisions, **spent}


async def _draft(task: Task) -> tuple[Draft, dict[str, Any]]:
    """Return the draft, and what of the turn writing it changed: costs, and what a model read."""
    turn = task.turn
    nothing = {"usage": turn.usage}
    if turn.said is not None and not turn.unsuccessful():
        return _fixed(turn.said, turn.asks), nothing
    sentences = [*_stated(turn.unsuccessful()), *_answers(task)]
    settled = _from_playbook(task)
    if settled is not None:
        return _join((*sentences, *_plain(settled, "tool")), "template"), nothing
    if sentences:
        return _join([*sentences, *_done_besides(task)], "template"), nothing
    composed = await _from_model(task)
    if composed is not None:
        return composed
    return _without_model(task), nothing


def _fixed(text: str, asks: str | None) -> Draft:
    return Draft(
        text=text,
        sentences=(Sentence(text=text, basis="form"),),
        method="template",
        asks=asks,
    )


def _stated(results: Sequence[ActionResult]) -> list[Sentence]:
    return [
        Sentence(text=_ended(_STATED[r.status].format(message=r.message or r.tool)), basis="form")
        for r in results
        if r.status in _STATED
    ]


def _ended(text: str) -> str:
    return f"{text}." if text[-1:].isalnum() else text


def _answers(task: Task) -> list[Sentence]:
    """Return what reviewers said in place of a result."""
    answered = [r for r in task.turn.results.values() if r.status == "answered"]
    return [Sentence(text=r.message, basis="form") for r in answered]


def _done_besides(task: Task) -> list[Sentence]:
    """Report what a model's plan brought about before it was stopped; no playbook words it."""
    workflow = task.services.spec.workflow
    modelled = {
        a.position for a in task.turn.actions if playbook_of(task, workflow.step(a.step)) is None
    }
    ordered = sorted(task.turn.results.values(), key=lambda r: r.position)
    return [
        _reported(r)
        for r in ordered
        if r.status == "done" and r.consequential and r.position in modelled
    ]


def _from_playbook(task: Task) -> str | None:
    """Return the wording of the last planned step whose playbook has one for these results."""
    turn = task.turn
    results = tuple(turn.results.values())
    if not results or any(r.status != "done" for r in results):
        return None
    known = variables(task, turn.slots)
    for step_id in reversed(turn.planned):
        playbook = playbook_of(task, task.services.spec.workflow.step(step_id))
        if playbook is None:
            continue
        try:
            told = playbook_reply(playbook, known, results)
        except ConditionError as error:
            # What was done must be told even where its wording is broken.
            task.record("step.failed", why=f"the playbook's reply is unusable: {error.message}")
            continue
        if told is not None:
            return told
    return None


async def _from_model(task: Task) -> tuple[Draft, dict[str, Any]] | None:
    task = await with_summary(task)
    prompt = answer_prompt(task)
    choice = chosen(task, prompt)
    if choice.model is None:
        return None
    try:
        reply, usage, label = await ask(task, choice, prompt, why="wrote the answer")
    except ModelError:
        return None
    evidence = task.turn.retrieved.evidence if task.turn.retrieved else ()
    sentences = _read(reply.text, evidence, bool(task.turn.results))
    if not sentences:
        return None
    return _join(sentences, "model"), {"usage": usage, **composed(task, label)}


def _read(text: str, evidence: Sequence[Evidence], acted: bool) -> list[Sentence]:
    """Split a model's answer into sentences with their citations.

    A sentence without a mark claims a tool result if calls were made, else evidence, so that the
    critic looks at it: a model does not get out of a check by leaving the mark away.
    """
    by_number = {e.number: e for e in evidence}
    moved = re.sub(r"([.!?])((?:\s*\[\d{1,3}\])+)", r"\2\1", text.strip())
    read = []
    for start, end in split_sentences(moved):
        raw = moved[start:end]
        marks = [int(n) for n in _MARK.findall(raw)]
        plain = _MARK.sub("", raw).strip()
        if not any(c.isalnum() for c in plain):
            continue
        citations = tuple(_closest(plain, by_number[n]) for n in marks if n in by_number)
        basis: Basis = "evidence" if marks or not acted else "tool"
        if _asks(plain):
            basis = "form"
        read.append(Sentence(text=plain, basis=basis, citations=citations))
    return read


def _asks(text: str) -> bool:
    """Tell whether a sentence is a mere question: a claim does not hide behind a question mark."""
    short = len(text.split()) <= _QUESTION and not re.search(r"\d", text)
    return short and text.endswith("?") and _INTERROGATIVE.match(text) is not None


def _closest(claim: str, evidence: Evidence) -> Any:
    spans = split_sentences(evidence.text) or [(0, len(evidence.text))]
    best = max(spans, key=lambda span: coverage(claim, evidence.text[span[0] : span[1]]))
    return cite(evidence, *best)


def _without_model(task: Task) -> Draft:
    turn = task.turn
    if turn.results:
        done = [r for r in turn.results.values() if r.status == "done"]
        return _join([_reported(r) for r in sorted(done, key=lambda r: r.position)], "template")
    evidence = turn.retrieved.evidence if turn.retrieved else ()
    banned = _unsupported(task)
    # What was found unsupported makes room for the next best.
    most = MOST + len(banned)
    found = [s for s in extract(turn.subject, evidence, most=most) if s.text not in banned]
    if not found and turn.subject != turn.request.resolved:
        # The part that is worked on may say little ("I need help"); the evidence is on the whole.
        whole = extract(turn.request.resolved, evidence, most=most)
        found = [s for s in whole if s.text not in banned]
    return _join(found[:MOST], "extractive")


def _unsupported(task: Task) -> frozenset[str]:
    draft, verdict = task.turn.draft, task.turn.verdict
    if draft is None or verdict is None:
        return frozenset()
    wrong = {f.sentence for f in verdict.findings if f.sentence is not None}
    return frozenset(s.text for i, s in enumerate(draft.sentences) if i in wrong)


def _reported(result: ActionResult) -> Sentence:
    told = result.output
    if isinstance(told, dict):
        told = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in told.items() if _scalar(v))
    return Sentence(text=f"{result.tool.replace('_', ' ')}: {told}.", basis="tool")


def _scalar(value: object) -> bool:
    return isinstance(value, str | int | float) and value != ""


def _plain(text: str, basis: Basis) -> list[Sentence]:
    spans = split_sentences(text) or [(0, len(text))]
    return [Sentence(text=text[a:b], basis=basis) for a, b in spans]


def _join(sentences: Sequence[Sentence], method: Method) -> Draft:
    parts = []
    for sentence in sentences:
        marks = "".join(f" [{n}]" for n in dict.fromkeys(c.number for c in sentence.citations))
        parts.append(sentence.text.strip() + marks)
    return Draft(
        text=" ".join(parts),
        sentences=tuple(sentences),
        method=method,
    )
