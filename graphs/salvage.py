"""As much of a file as fits its model, so that one mistake does not hide the others.

What does not fit is taken out: an unknown key, a value of the wrong form, an item of a list that
lacks what it needs. The rest is a model with which checks can go on; nothing ever runs on it.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from concertmaster.graphs.sources import Path_, Source
from concertmaster.graphs.validation import place_of, true_errors

__all__ = ["salvage"]

M = TypeVar("M", bound=BaseModel)

_ROUNDS = 8
_NAMES = ("id", "name", "key")


def salvage(model: type[M], source: Source) -> tuple[M, Source] | None:
    """Return the part of a source that fits, as a model and as a source with its lines.

    Nothing is returned if what is left says too little, such as a workflow without steps.
    """
    written = _names(source.value)
    for _ in range(_ROUNDS):
        try:
            left = model.model_validate(source.value)
            return left, replace(source, lost=frozenset(written - _names(source.value)))
        except ValidationError as error:
            doomed = set(_doomed(source, true_errors(error)))
        if () in doomed:
            return None
        # From the end, so that the places of what is still to go stay right.
        for place in sorted(doomed, key=_from_the_end):
            if doomed.isdisjoint(place[:length] for length in range(1, len(place))):
                source = _without(source, place)
    return None


def _doomed(source: Source, errors: list[Any]) -> Iterator[Path_]:
    """Yield what has to go: the value that is wrong, or what lacks a value."""
    for error in errors:
        place = place_of(source.value, error)
        yield place[:-1] if error["type"] == "missing" else place


def _without(source: Source, place: Path_) -> Source:
    """Return the source with a value taken out; later items of a list move up."""
    outer, last = place[:-1], place[-1]
    value = copy.deepcopy(source.value)
    holder = value
    for part in outer:
        holder = holder[part]
    del holder[last]
    lines = {
        moved: line
        for known, line in source.lines.items()
        if (moved := _moved(known, outer, last)) is not None
    }
    removed = {moved for r in source.removed if (moved := _moved(r, outer, last)) is not None}
    return replace(source, value=value, lines=lines, removed=frozenset({*removed, place}))


def _moved(place: Path_, outer: Path_, last: str | int) -> Path_ | None:
    """Return where a place lies after `last` was taken out of `outer`; None if it went, too."""
    if place[: len(outer)] != outer or len(place) == len(outer):
        return place
    part = place[len(outer)]
    if part == last:
        return None
    if isinstance(part, int) and isinstance(last, int) and part > last:
        return (*outer, part - 1, *place[len(outer) + 1 :])
    return place


def _from_the_end(place: Path_) -> list[tuple[int, str]]:
    return [(-part, "") if isinstance(part, int) else (0, part) for part in place]


def _names(value: Any) -> Counter[str]:
    """Return the names that a file gives to its parts; parts of two kinds may share one."""
    found: Counter[str] = Counter()
    if isinstance(value, list):
        for item in value:
            found += _names(item)
    elif isinstance(value, dict):
        for item in value.values():
            found += _names(item)
        found.update(value[key] for key in _NAMES if isinstance(value.get(key), str))
        owners = value.get("owners")
        found.update([*owners] if isinstance(owners, dict) else [])
    return found
