"""Steps that ask a predictor by themselves: it is there, and of a form that the step can use."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.agents.predicted_intent import OUT_OF_SCOPE, labels
from concertmaster.agents.predicted_judging import GIVEN, LABELS, tells
from concertmaster.contracts.model import PredictorSpec
from concertmaster.graphs.checks.subject import Subject
from concertmaster.graphs.problems import Problem

__all__ = ["check_step_predictors"]


def check_step_predictors(subject: Subject) -> Iterator[Problem]:
    """Look at the `predictor` of every step, and at the forms of those that serve it."""
    found = subject.workspace.spec.models.predictors
    known = {need for spec in found for need in spec.needs}
    for index, step in enumerate(subject.workflow.steps):
        if step.predictor is None:
            continue
        at, whose = ("workflow", "steps", index, "predictor"), f"step {step.id!r}"
        if step.agent not in _FORMS:
            told = f"{whose}: {step.agent} asks no predictor by itself"
            hint = "take 'predictor' out; a custom step asks with runtime.predict(NEED, …)"
            yield subject.error(at, "predictor", told, hint)
        elif step.predictor not in known:
            yield subject.unknown(at, "predictor", step.predictor, known, whose)
        else:
            for number, spec in enumerate(found):
                if step.predictor in spec.needs:
                    yield from _FORMS[step.agent](subject, number, spec, step.id)


def _intent(subject: Subject, number: int, spec: PredictorSpec, step: str) -> Iterator[Problem]:
    at, whose = ("models", "predictors", number), f"predictor {spec.name!r}"
    if spec.columns != ("text",):
        told = f"{whose} serves step {step!r}, which gives it a text and nothing else"
        hint = "declare input: {type: object, properties: {text: {type: string}}, required: [text]}"
        yield subject.error((*at, "input"), "predictor", told, hint)
    told_of = labels(spec.output)
    if not told_of:
        told = f"{whose} serves step {step!r}, and does not list the labels that it tells"
        hint = f"declare output: properties: {{label: {{enum: [INTENT, …, {OUT_OF_SCOPE}]}}}}"
        yield subject.error((*at, "output"), "predictor", told, hint)
    intents = {intent.name for intent in subject.workspace.spec.intents.intents}
    for label in told_of:
        if label not in intents and label != OUT_OF_SCOPE:
            yield subject.unknown((*at, "output"), "intent", label, intents, whose)


def _judge(subject: Subject, number: int, spec: PredictorSpec, step: str) -> Iterator[Problem]:
    at, whose = ("models", "predictors", number), f"predictor {spec.name!r}"
    texts = spec.input.get("properties")
    fits = isinstance(texts, dict) and all(text == {"type": "string"} for text in texts.values())
    open_ = spec.input.get("additionalProperties") is not False or len(spec.columns) == len(GIVEN)
    if not (fits and open_) or not {"answer", "evidence"} <= set(spec.columns) <= set(GIVEN):
        told = f"{whose} serves step {step!r}, which gives it the texts {', '.join(GIVEN)}"
        hint = "declare input: properties: {answer: {type: string}, evidence: {type: string}}"
        yield subject.error((*at, "input"), "predictor", told, hint)
    required = spec.output.get("required")
    given = set(map(str, required)) if isinstance(required, list) else set()
    wrong = {n for n in ("label", "supported", "score") if n in _named(spec)} - set(
        tells(spec.output)
    )
    if wrong or not given & set(tells(spec.output)):
        told = f"{whose} serves step {step!r}, and does not tell whether a sentence is supported"
        hint = (
            "declare one of these as output, and require it:"
            f" label: {{enum: [{', '.join(LABELS)}]}}, supported: {{type: boolean}},"
            " score: {type: number, minimum: 0, maximum: 1}"
        )
        yield subject.error((*at, "output"), "predictor", told, hint)


def _named(spec: PredictorSpec) -> set[str]:
    properties = spec.output.get("properties")
    return set(properties) if isinstance(properties, dict) else set()


_FORMS = {"intent_classifier": _intent, "critic": _judge}
