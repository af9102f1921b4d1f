"""What a classifier learns from: somebody reads intents, and no example is idle."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem

__all__ = ["check_classifying"]

_PART = "intents"


def check_classifying(subject: Subject) -> Iterator[Problem]:
    """Look at whether intents are read, and at empty and repeated examples."""
    spec = subject.workspace.spec.intents
    readers = [i for i, s in enumerate(subject.workflow.steps) if s.agent == "intent_classifier"]
    if spec.intents and not readers:
        told = "there are intents, and no step has the agent 'intent_classifier'"
        hint = "add such a step and a first route to it"
        yield subject.error((_PART, _PART), "no-classifier", told, hint)
    if readers and not spec.intents:
        told = f"step {subject.workflow.steps[readers[0]].id!r} reads intents, and there are none"
        place: Place = ("workflow", "steps", readers[0], "agent")
        yield subject.error(place, "no-intents", told, "declare them in intents.yaml")
    for index, intent in enumerate(spec.intents):
        at = (_PART, _PART, index, "utterances")
        yield from _idle(subject, at, f"intent {intent.name!r}", intent.utterances)
    yield from _idle(subject, (_PART, "out_of_scope"), "out_of_scope", spec.out_of_scope)


def _idle(
    subject: Subject, at: Place, whose: str, utterances: tuple[str, ...]
) -> Iterator[Problem]:
    seen: set[str] = set()
    for n, text in enumerate(utterances):
        plain = " ".join(text.casefold().split()).strip(" .!?")
        if not plain:
            told = f"{whose}: an utterance says nothing"
            yield subject.error((*at, n), "empty-utterance", told, "take it away")
        elif plain in seen:
            told = f"{whose} has {text[:60]!r} twice"
            yield subject.warning((*at, n), "repeated-utterance", told, "keep one of them")
        seen.add(plain)
