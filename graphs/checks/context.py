"""`context:` sections, and results of tools that no declared model may be shown."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.contracts.context import ContextSpec
from concertmaster.contracts.steps import ModelNeed, StepSpec
from concertmaster.errors import ConfigError
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem
from concertmaster.models.registry import Models

__all__ = ["check_context"]


def check_context(subject: Subject) -> Iterator[Problem]:
    """Look at what prompts are to hold, and at tools whose results no model may see."""
    workflow = subject.workflow
    if "context" in workflow.model_fields_set:
        yield from _rules(subject, workflow.context, ("workflow", "context"))
    for index, step in enumerate(workflow.steps):
        place: Place = ("workflow", "steps", index)
        if step.context is not None:
            yield from _rules(subject, step.context, (*place, "context"))
            if not isinstance(step.model, ModelNeed):
                told = f"step {step.id!r} has rules for its prompts, but asks no model"
                hint = "say what it needs of a model, or take 'context' out"
                yield subject.warning((*place, "context"), "context", told, hint)
        if step.agent == "executor" and isinstance(step.model, ModelNeed):
            yield from _unseen(subject, step, step.model, (*place, "tools"))


def _rules(subject: Subject, rules: ContextSpec, place: Place) -> Iterator[Problem]:
    window = subject.workflow.limits.window
    if rules.keep > window:
        told = f"prompts are to keep {rules.keep} messages; a thread has {window} ('limits.window')"
        yield subject.warning((*place, "keep"), "context", told, "raise 'limits.window'")
    if rules.history == "trim" and rules.model_fields_set & {"by", "summary"}:
        key = "by" if "by" in rules.model_fields_set else "summary"
        told = f"'{key}' is for summaries, and there is none with 'history: trim'"
        yield subject.warning((*place, key), "context", told, "write 'history: summarize'")


def _unseen(subject: Subject, step: StepSpec, need: ModelNeed, place: Place) -> Iterator[Problem]:
    file = subject.workspace.spec.models
    if not file.models:
        return
    try:
        fitting = Models.of(None, file).able(need).fitting
    except ConfigError:
        return
    if not fitting:
        return
    most = max(one.spec.clearance for one in fitting)
    toolbox = subject.workspace.toolbox
    for name in step.tools or ():
        if name in toolbox.names and toolbox[name].label > most:
            told = (
                f"step {step.id!r}: {name} returns {toolbox[name].label.name} data, and no model"
                f" that fits is cleared for more than {most.name}"
            )
            hint = "declare a model that is cleared for it, or a playbook; else the plan ends there"
            yield subject.warning(place, "clearance", told, hint)
