"""Asking a predictor on behalf of a step: what goes in and comes out is checked, and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.agents.task import Task
from concertmaster.contracts import Confidentiality, canonical
from concertmaster.contracts.schema import misfits
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models.predictor import Predictor
from concertmaster.tools.threads import CallHung, CallStopped, bounded_call

__all__ = ["Prediction", "predict"]

_LIMIT = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a predictor told, and which one in which version."""

    value: dict[str, Any]
    predictor: str
    version: str


async def predict(
    task: Task, need: str, given: Mapping[str, Any], *, level: Confidentiality | None = None
) -> Prediction:
    """Ask the first predictor that serves the need, then the next where one fails.

    Values are not in the trail, in neither direction.

    Args:
        task: whose step asks.
        need: what for.
        given: what goes in.
        level: the highest confidentiality of what goes in; the turn's unless said.

    Raises:
        ModelUnavailable: none serves the need, or none may see data of this turn.
        ModelError: what was given does not fit, or each of them failed.
    """
    level = task.turn.label.confidentiality if level is None else level
    fitting, passed = task.services.predictors.serving(need, level)
    if not fitting:
        listed = "; ".join(f"{name} {why}" for name, why in passed.items())
        why = f"no predictor serves {need}{': ' if listed else ''}{listed}"
        task.record("model.failed", why=why, model=None, kind="predictor")
        hint = "declare one in models.yaml under predictors"
        raise ModelUnavailable(why, hint=hint, kind="unfit")
    failure: ModelError = ModelUnavailable(f"no predictor serves {need}")
    for one in fitting:
        try:
            value = await _asked(task, one, dict(given))
        except ModelError as error:
            failure = error
            task.record(
                "model.failed",
                why=error.message,
                model=one.spec.name,
                kind="predictor",
                version=one.version,
            )
            continue
        task.record(
            "model.called",
            why=f"told {need}{f', version {one.version}' if one.version else ''}",
            model=one.spec.name,
            kind="predictor",
            version=one.version,
        )
        return Prediction(value=value, predictor=one.spec.name, version=one.version)
    raise failure


async def _asked(task: Task, one: Predictor, given: dict[str, Any]) -> dict[str, Any]:
    spec = one.spec
    wrong = misfits(spec.input, given)
    if wrong:
        raise ModelError(f"{spec.name} cannot be given this ({'; '.join(wrong)})")
    key = f"predictor:{task.session.run}:{spec.name}"
    assert one.function is not None
    try:
        value = await bounded_call(one.function, {"given": given}, seconds=spec.timeout, key=key)
    except CallHung:
        raise ModelUnavailable(f"{spec.name} did not answer within {spec.timeout:g} s") from None
    except CallStopped as stopped:
        raise ModelError(f"{spec.name}: {stopped}") from None
    except Exception as error:
        raise ModelError(f"{spec.name} failed ({type(error).__name__})") from None
    return _fitting(one, value)


def _fitting(one: Predictor, value: Any) -> dict[str, Any]:
    name = one.spec.name
    if not isinstance(value, dict):
        raise ModelError(f"{name} returned {type(value).__name__}, not a mapping")
    try:
        size = len(canonical(value))
    except (ValueError, TypeError, RecursionError):
        raise ModelError(f"{name} returned what is no plain JSON") from None
    if size > _LIMIT:
        raise ModelError(f"{name} returned {size} bytes, more than {_LIMIT}")
    wrong = misfits(one.spec.output, value)
    if wrong:
        raise ModelError(f"{name} returned what it does not declare ({'; '.join(wrong)})")
    return value
