"""Values on their way into Cedar. What cannot be lowered without doubt is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from concertmaster.policies.fields import RESERVED_KEYS, Field, Fields

__all__ = ["NotLowered", "lower", "refuse_hostile"]

_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
_STEP = Decimal("0.0001")


class NotLowered(ValueError):
    """A value has no place in a request to Cedar; the message names it, never its content."""


def refuse_hostile(value: object) -> None:
    """Look through plain JSON for what must never reach a decision.

    Raises:
        NotLowered: a reserved or non-text key, an integer beyond 64 bits, a number that is
            none, or a value that is not JSON.
    """
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            if not all(isinstance(key, str) for key in item):
                raise NotLowered("a key is not text")
            if reserved := RESERVED_KEYS.intersection(item):
                raise NotLowered(f"the key {min(reserved)!r} is reserved")
            # Sorted, so that the reason given does not depend on the order of keys.
            waiting.extend(item[key] for key in sorted(item))
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif isinstance(item, float):
            if not math.isfinite(item):
                raise NotLowered("a number is not finite")
        elif isinstance(item, int):
            if not _LONG_MIN <= item <= _LONG_MAX:
                raise NotLowered("an integer does not fit into 64 bits")
        elif not (item is None or isinstance(item, str)):
            raise NotLowered("a value is not plain JSON")


def lower(fields: Fields, values: Mapping[str, Any], *, noun: str) -> dict[str, Any]:
    """Return the visible values as Cedar's JSON; nulls are dropped, hidden values left out.

    Args:
        fields: what policies can see.
        values: the arguments or facts.
        noun: what to call one of them in messages.

    Raises:
        NotLowered: a required value is missing, or one is of another type than declared.
    """
    lowered: dict[str, Any] = {}
    for name, field in fields.visible.items():
        value = values.get(name)
        if value is not None:
            lowered[name] = _lower(field, value, f"the {noun} {name!r}")
        elif field.required:
            raise NotLowered(f"the {noun} {name!r} is missing")
    return lowered


def _lower(field: Field, value: object, what: str) -> Any:
    if not field.many:
        return _scalar(field, value, what)
    if not isinstance(value, list | tuple | set | frozenset):
        raise NotLowered(f"{what} is not a list")
    return [_scalar(field, item, what) for item in value]


def _scalar(field: Field, value: object, what: str) -> Any:
    if field.kind == "decimal":
        return {"__extn": {"fn": "decimal", "arg": _decimal(value, what)}}
    if field.kind == "string" and isinstance(value, str):
        return value
    if field.kind == "boolean" and isinstance(value, bool):
        return value
    if field.kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
        if _LONG_MIN <= value <= _LONG_MAX:
            return value
        raise NotLowered(f"{what} does not fit into 64 bits")
    raise NotLowered(f"{what} is not of type {field.kind}")


def _decimal(value: object, what: str) -> str:
    """Return four digits after the point; floats are rounded to them, texts must fit exactly."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise NotLowered(f"{what} is not a decimal number")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
        rounded = number.quantize(_STEP, rounding=ROUND_HALF_EVEN)
    except InvalidOperation:
        raise NotLowered(f"{what} is not a decimal number") from None
    if not rounded.is_finite():
        raise NotLowered(f"{what} is not a finite number")
    if not _LONG_MIN <= int(rounded.scaleb(4)) <= _LONG_MAX:
        raise NotLowered(f"{what} is too large for a decimal number")
    if not isinstance(value, float) and rounded != number:
        raise NotLowered(f"{what} has more than four digits after the point")
    return format(rounded, "f")
