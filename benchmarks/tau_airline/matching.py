"""Which of a run's writes its own task wants: the definition of right and wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tau_airline.recording import WRITES, Recording, Step

__all__ = ["right_writes"]


def right_writes(recording: Recording) -> list[tuple[Step, bool]]:
    """Return each executed write of a run with whether it is right.

    A write is right if the task wants an action of the same name and the same arguments after
    normalisation. What the task wants once is right once: a repetition is wrong.
    """
    wanted = Counter(_form(name, given) for name, given in recording.wanted if name in WRITES)
    judged = []
    for step in recording.steps:
        if not (step.is_write and step.executed):
            continue
        form = _form(step.tool, step.arguments)
        judged.append((step, wanted[form] > 0))
        wanted[form] -= wanted[form] > 0
    return judged


def _form(name: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps([name, _normal(arguments)], sort_keys=True)


def _normal(value: Any) -> Any:
    """Return a value without differences that have no effect.

    Numbers are compared as numbers, texts without outer blanks, and a flight by its number and
    date: origin, destination and price stand in the timetable.
    """
    if isinstance(value, Mapping):
        if "flight_number" in value:
            value = {k: value[k] for k in ("flight_number", "date") if k in value}
        return {k: _normal(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value
