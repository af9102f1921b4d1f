"""`models.yaml`: models that can be named, rules that can be evaluated, steps that are served."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.contracts.model import ModelRule
from concertmaster.contracts.steps import ModelNeed
from concertmaster.errors import ConfigError
from concertmaster.graphs.checks.predictors import check_predictors
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem
from concertmaster.models.lack import lack_of
from concertmaster.models.prices import price_of
from concertmaster.models.registry import Chat, Models, declared
from concertmaster.models.requirement import FIELDS
from concertmaster.models.spec import ModelSpec
from concertmaster.policies.conditions import Condition, ConditionError

__all__ = ["check_models"]

_PART = "models"


def check_models(subject: Subject) -> Iterator[Problem]:
    """Look at every model and rule, and whether each step finds a model that fits."""
    file = subject.workspace.spec.models
    names = [(m.name, (_PART, _PART, i, "name")) for i, m in enumerate(file.models)]
    yield from subject.twice(names, "model")
    rules = [(r.id, (_PART, "rules", i, "id")) for i, r in enumerate(file.rules)]
    yield from subject.twice(rules, "rule")
    known = {name for name, _ in names}
    sound = len(known) == len(names)
    for index, entry in enumerate(file.models):
        place: Place = (_PART, _PART, index, "use")
        try:
            spec = declared(entry, subject.workspace.path)
        except ConfigError as error:
            sound = False
            yield subject.error(
                place, "model", f"model {entry.name!r}: {error.message}", error.hint
            )
            continue
        lack = lack_of(spec)
        if lack is not None:
            # Another model may serve while a key is missing; a package or a file is a mistake.
            found = subject.warning if lack.kind == "key" else subject.error
            told = f"model {entry.name!r} {lack.what}"
            yield found(place, f"model-{lack.kind}", told, lack.fix)
        yield from _priced(subject, spec, place)
    for index, rule in enumerate(file.rules):
        yield from _rule(subject, rule, (_PART, "rules", index), known)
    if sound and file.models:
        yield from _served(subject)
    yield from check_predictors(subject)


def _priced(subject: Subject, spec: ModelSpec, place: Place) -> Iterator[Problem]:
    """Warn of a model that is never asked, because money is bounded and its price is not known."""
    purses = [budget.id for budget in subject.workflow.budgets if budget.of == "money"]
    if purses and spec.provider != "workspace" and price_of(spec) is None:
        told = (
            f"model {spec.name!r} has no known price: budget {purses[0]!r} of money leaves it out"
        )
        hint = "declare it in USD per million tokens: price: {input: 0.5, output: 2}"
        yield subject.warning(place, "no-price", told, hint)


def _rule(subject: Subject, rule: ModelRule, at: Place, known: set[str]) -> Iterator[Problem]:
    whose = f"rule {rule.id!r}"
    try:
        Condition.compile(rule.when, FIELDS)
    except ConditionError as error:
        told = f"{whose}: {error.message}"
        hint = f"it may refer to {', '.join(sorted(FIELDS))}"
        yield subject.error((*at, "when"), "condition", told, hint)
    for key, given in (("only", rule.only or ()), ("never", rule.never)):
        for index, name in enumerate(given):
            if name not in known:
                yield subject.unknown((*at, key, index), "model", name, known, whose)


def _served(subject: Subject) -> Iterator[Problem]:
    """Find steps whose need no declared model meets, whatever the rules say."""
    workspace = subject.workspace
    specs = [declared(entry, workspace.path) for entry in workspace.spec.models.models]
    models = Models([Chat(spec) for spec in specs], workspace.spec.models)
    for index, step in enumerate(subject.workflow.steps):
        if not isinstance(step.model, ModelNeed):
            continue
        able = models.able(step.model)
        if not able.fitting:
            told = f"step {step.id!r}: {able.why}"
            hint = "declare a model that fits, or lower what the step needs"
            yield subject.error(("workflow", "steps", index, "model"), "no-model", told, hint)
