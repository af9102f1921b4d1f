"""Work on a value: at once if the value is small, in another thread if it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["light", "worked"]

T = TypeVar("T")

_ITEMS = 100
_CHARACTERS = 2000
_DEPTH = 20
_BITS = 64
_PLAIN = frozenset({bool, float, type(None)})


async def worked(function: Callable[[Any], T], value: Any) -> T:
    """Return `function(value)`; the event loop is not kept waiting for a large value.

    The way to another thread and back takes longer than what is done to a small one.
    """
    return function(value) if light(value) else await asyncio.to_thread(function, value)


def light(value: object) -> bool:
    """Tell whether a value is made of built-in types alone, and of few of them.

    >>> light({"order": 1042, "lines": ["lamp"]}), light("x" * 5000), light(object())
    (True, False, False)
    """
    room = [_ITEMS, _CHARACTERS]
    return _fits(value, room, _DEPTH)


def _fits(value: object, room: list[int], depth: int) -> bool:
    room[0] -= 1
    if room[0] < 0 or depth < 0:
        return False
    kind = type(value)
    if kind is str:
        room[1] -= len(value)  # type: ignore[arg-type]
        return room[1] >= 0
    if kind is dict:
        items = value.items()  # type: ignore[attr-defined]
        return all(_fits(k, room, depth) and _fits(v, room, depth - 1) for k, v in items)
    if kind is list or kind is tuple:
        return all(_fits(item, room, depth - 1) for item in value)  # type: ignore[attr-defined]
    return kind in _PLAIN or (kind is int and value.bit_length() <= _BITS)  # type: ignore[attr-defined]
