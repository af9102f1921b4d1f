"""A custom step: a callable of the workspace, which sees the turn and adds to its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from concertmaster.agents.predicting import Prediction, predict
from concertmaster.agents.task import Task
from concertmaster.contracts import Principal, canonical
from concertmaster.errors import WorkspaceError
from concertmaster.policies.redaction import in_words
from concertmaster.tools.threads import CallHung, CallStopped, bounded_call

__all__ = ["StepRuntime", "run_custom"]

_LIMIT = 64 * 1024
_LONGEST = 300.0


@dataclass(frozen=True, kw_only=True)
class StepRuntime:
    """What a custom step may know of the run besides its state."""

    principal: Principal
    run: str
    thread: str
    step: str
    data_dir: Path
    task: Task = field(repr=False, compare=False)

    async def predict(self, need: str, given: Mapping[str, Any]) -> Prediction:
        """Ask a predictor of `models.yaml` by need; see `concertmaster.agents.predicting`.

        Raises:
            ModelError: none serves the need, or none gave an answer of its declared form.
        """
        return await predict(self.task, need, given)


async def run_custom(task: Task) -> dict[str, Any]:
    """Call the workspace's `async (state, runtime) -> mapping` and merge it into `data`.

    A custom step cannot forge intents, evidence, verdicts or results: only `data` is taken.

    Raises:
        WorkspaceError: the callable is unknown, or returned anything but a small JSON mapping.
    """
    function = task.services.customs.get(task.step.agent)
    if function is None:
        raise WorkspaceError(f"step {task.step.id!r}: {task.step.agent!r} is not loaded")
    runtime = StepRuntime(
        principal=task.session.principal,
        run=task.session.run,
        thread=task.session.thread,
        step=task.step.id,
        data_dir=task.services.data_dir,
        task=task,
    )
    data = _checked(task, await _called(task, partial(function, _state(task), runtime)))
    cleaned = task.services.redaction.stored.redact_json(data)
    if cleaned.found:
        why = f"taken out of what {task.step.agent} returned: {in_words(cleaned.found)}"
        task.record("value.redacted", why=why, kinds={f.kind: f.count for f in cleaned.found})
    data = cleaned.value
    task.record("step.custom", why=f"{task.step.agent} returned {sorted(data)}", keys=sorted(data))
    return {"data": data}


async def _called(task: Task, function: Callable[[], Any]) -> Any:
    """Call it bounded in time, where one that hangs keeps neither the desk nor the process."""
    seconds = task.step.timeout or _LONGEST
    key = f"step:{task.session.run}:{task.step.id}"
    try:
        return await bounded_call(function, {}, seconds=seconds, key=key)
    except CallHung as hung:
        if hung.started:
            raise TimeoutError from None
        raise WorkspaceError(
            f"step {task.step.id!r} was not begun: too many calls hang",
            hint="find out which tools or steps do not end, and restart the process",
        ) from None
    except CallStopped as stopped:
        raise WorkspaceError(f"step {task.step.id!r}: {stopped}") from None


def _state(task: Task) -> Mapping[str, Any]:
    turn = task.turn.model_dump(mode="json")
    return MappingProxyType(
        {
            "request": turn["request"],
            "intent": turn["intent"],
            "evidence": (turn["retrieved"] or {}).get("evidence", []),
            "results": task.turn.outputs(),
            "slots": turn["slots"],
            "data": turn["data"],
        }
    )


def _checked(task: Task, returned: Any) -> dict[str, Any]:
    if returned is None:
        return {}
    if not isinstance(returned, Mapping):
        raise WorkspaceError(
            f"step {task.step.id!r}: {task.step.agent} returned {type(returned).__name__}",
            hint="return a mapping of plain JSON values",
        )
    data = dict(returned)
    if not all(isinstance(key, str) for key in data):
        raise WorkspaceError(
            f"step {task.step.id!r}: {task.step.agent} returned a key that is no text",
            hint="return a mapping of plain JSON values",
        )
    try:
        size = len(canonical(data))
    except (ValueError, RecursionError) as error:
        kind = "" if isinstance(error, RecursionError) else f": {error}"
        raise WorkspaceError(
            f"step {task.step.id!r}: {task.step.agent} returned what is no plain JSON{kind}",
            hint="return text, numbers, booleans, null, lists and mappings",
        ) from None
    if size > _LIMIT:
        raise WorkspaceError(
            f"step {task.step.id!r}: {size} bytes of data, more than {_LIMIT}",
            hint="keep large values in the workspace's own store and return a reference",
        )
    return data
