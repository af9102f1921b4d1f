"""Steps that ask a predictor by themselves: it is there, and of a form that the step can use."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.agents.predicted_intent import OUT_OF_SCOPE, labels
from concertmaster.contracts.model import PredictorSpec
from concertmaster.graphs.checks.subject import Subject
from concertmaster.graphs.problems import Problem

__all__ = ["check_intent_predictors"]


def check_intent_predictors(subject: Subject) -> Iterator[Problem]:
    """Look at the `predictor` of every step, and at the forms of those that serve it."""
    found = subject.workspace.spec.models.predictors
    known = {need for spec in found for need in spec.needs}
    for index, step in enumerate(subject.workflow.steps):
        if step.predictor is None:
            continue
        at, whose = ("workflow", "steps", index, "predictor"), f"step {step.id!r}"
        if step.agent != "intent_classifier":
            told = f"{whose}: {step.agent} asks no predictor by itself"
            hint = "take 'predictor' out; a custom step asks with runtime.predict(NEED, …)"
            yield subject.error(at, "predictor", told, hint)
        elif step.predictor not in known:
            yield subject.unknown(at, "predictor", step.predictor, known, whose)
        else:
            for number, spec in enumerate(found):
                if step.predictor in spec.needs:
                    yield from _form(subject, number, spec, step.id)


def _form(subject: Subject, number: int, spec: PredictorSpec, step: str) -> Iterator[Problem]:
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
