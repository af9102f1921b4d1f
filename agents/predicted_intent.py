"""The intent as a predictor of the workspace tells it, where the step declares one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from concertmaster.agents.predicting import predict
from concertmaster.agents.task import Task
from concertmaster.errors import ModelError

__all__ = ["OUT_OF_SCOPE", "Told", "labels", "told_intent"]

OUT_OF_SCOPE = "out_of_scope"
"""What a classifier answers where none of the intents is meant."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a predictor told: an intent, or None for none of them.

    `scope` tells whether it could have said so; one that could not leaves it to the linear model.
    `probability` is 0 to 1, None if it tells none.
    """

    name: str | None
    scope: bool
    probability: float | None
    why: str


async def told_intent(task: Task) -> Told | None:
    """Ask the step's predictor about the message; None if there is none, or it failed.

    Its failure is in the trail. What it tells is checked against the declared intents again: the
    check before the run saw the form, and a thread may outlive an intent.
    """
    need = task.step.predictor
    if need is None:
        return None
    try:
        found = await predict(task, need, {"text": task.turn.request.text})
    except ModelError:
        return None
    label = found.value.get("label")
    known = {intent.name for intent in task.services.spec.intents.intents}
    if label != OUT_OF_SCOPE and label not in known:
        why = f"{found.predictor} told an intent that is not declared"
        task.record("model.failed", why=why, model=found.predictor, kind="predictor")
        return None
    version = f", version {found.version}" if found.version else ""
    return Told(
        name=None if label == OUT_OF_SCOPE else str(label),
        scope=_tells_scope(task, found.predictor),
        probability=_share(found.value.get("probability")),
        why=f"{found.predictor}{version} told it",
    )


def _tells_scope(task: Task, name: str) -> bool:
    for one in task.services.predictors.all:
        if one.spec.name == name:
            return OUT_OF_SCOPE in labels(one.spec.output)
    return False


def labels(output: Any) -> tuple[str, ...]:
    """Return the labels that an output's schema lists; none if it lists none."""
    properties = output.get("properties") if isinstance(output, dict) else None
    label = properties.get("label") if isinstance(properties, dict) else None
    listed = label.get("enum") if isinstance(label, dict) else None
    return tuple(str(one) for one in listed) if isinstance(listed, list) else ()


def _share(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(max(float(value), 0.0), 1.0)
