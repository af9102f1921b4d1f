"""Intents: owners exist, examples are enough and distinct, and something can serve them."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.contracts.spec import IntentSpec
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem

__all__ = ["check_intents"]

_PART = "intents"
_ENOUGH = 8


def check_intents(subject: Subject) -> Iterator[Problem]:
    """Look at every intent."""
    intents = subject.workspace.spec.intents.intents
    names = [(intent.name, (_PART, _PART, i, "name")) for i, intent in enumerate(intents)]
    yield from subject.twice(names, "intent")
    yield from _shared(subject)
    owners = subject.workflow.owners
    playbooks = {p.name for p in subject.playbooks}
    for index, intent in enumerate(intents):
        at: Place = (_PART, _PART, index)
        whose = f"intent {intent.name!r}"
        if intent.owner not in owners:
            yield subject.unknown((*at, "owner"), "owner", intent.owner, owners, whose)
        if intent.playbook is not None and intent.playbook not in playbooks:
            place = (*at, "playbook")
            yield subject.unknown(place, "playbook", intent.playbook, playbooks, whose)
        if len(intent.utterances) < _ENOUGH:
            told = f"{whose} has only {len(intent.utterances)} example utterances"
            hint = f"give at least {_ENOUGH}; 15 and more are better"
            yield subject.warning((*at, "utterances"), "few-utterances", told, hint)
        yield from _served(subject, intent, at, whose)


def _served(subject: Subject, intent: IntentSpec, at: Place, whose: str) -> Iterator[Problem]:
    if intent.needs_evidence:
        retrieves = any(s.agent == "retriever" for s in subject.workflow.steps)
        lacks = [] if retrieves else ["no step of the agent 'retriever'"]
        if subject.workflow.knowledge is None:
            lacks.append("no `knowledge`")
        if lacks:
            told = f"{whose} needs evidence, and the workflow has {' and '.join(lacks)}"
            hint = "add it to workflow.yaml, or take `needs_evidence` away"
            yield subject.error((*at, "needs_evidence"), "no-evidence", told, hint)
    if not intent.acts:
        return
    place = (*at, "playbook" if intent.playbook else "acts")
    if not subject.executors:
        told = f"{whose} acts, and no step has the agent 'executor'"
        yield subject.error(place, "no-executor", told, "add such a step, or take it away")
    elif intent.playbook is None and any(s.playbook is None for s in subject.executors):
        told = f"{whose} acts without a playbook, so a model has to plan its calls"
        hint = "declare a playbook if it is to work without a model"
        yield subject.warning(place, "needs-model", told, hint)


def _shared(subject: Subject) -> Iterator[Problem]:
    """Find utterances that stand for two intents: no classifier can learn both."""
    spec = subject.workspace.spec.intents
    seen: dict[str, str] = {}
    listed = [
        (intent.name, (_PART, _PART, i, "utterances", n), text)
        for i, intent in enumerate(spec.intents)
        for n, text in enumerate(intent.utterances)
    ]
    outside = [
        ("out_of_scope", (_PART, "out_of_scope", n), t) for n, t in enumerate(spec.out_of_scope)
    ]
    for name, place, text in (*listed, *outside):
        first = seen.setdefault(" ".join(text.casefold().split()), name)
        if first != name:
            told = f"{text[:60]!r} stands under {first!r} and under {name!r}"
            hint = "keep it where it belongs"
            yield subject.error(place, "same-utterance", told, hint)
