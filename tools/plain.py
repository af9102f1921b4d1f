"""What tools return, as plain JSON that every store and terminal can hold. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from concertmaster.contracts import plain_text

__all__ = ["HARD_LIMIT", "NotPlain", "plain_json"]

HARD_LIMIT = 64 * 2**20
"""The largest result of a tool, in bytes."""

_DEPTH = 64
_BIGGEST_BITS = 1024


class NotPlain(ValueError):
    """A value is no plain JSON; the message says where and why, never what it holds."""


def plain_json(value: object, *, limit: int = HARD_LIMIT) -> Any:
    """Return the value as plain JSON: null, booleans, numbers, strings, lists, objects.

    pydantic models and dataclasses become objects, sets sorted lists, decimals strings in plain
    notation, dates and times ISO 8601, durations seconds, enums their values. Strings are cleaned.

    Args:
        value: what to convert.
        limit: bytes; a lower bound of the JSON's size is held against it as the walk goes on.

    Raises:
        NotPlain: it holds NaN, bytes, a cycle or an object of another type, or it is too large.
    """
    return _Walk(limit).plain(value, "the result", 0)


class _Walk:
    """One conversion: counts what it has seen, and knows which containers it is inside of."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._inside: set[int] = set()

    def plain(self, value: object, place: str, depth: int) -> Any:
        if isinstance(value, Enum):
            value = value.value
        if value is None or isinstance(value, bool):
            self._spend(4)
            return value
        if isinstance(value, str):
            self._spend(len(value) + 2)
            return plain_text(value)
        if isinstance(value, int | float | Decimal):
            self._spend(1)
            return _number(value, place)
        if isinstance(value, date | time | timedelta | UUID):
            self._spend(8)
            return _moment(value)
        return self._container(value, place, depth)

    def _container(self, value: object, place: str, depth: int) -> Any:
        if depth >= _DEPTH:
            raise NotPlain(f"{place} is nested more than {_DEPTH} deep")
        if id(value) in self._inside:
            raise NotPlain(f"{place} contains itself")
        self._inside.add(id(value))
        self._spend(2)
        try:
            if isinstance(value, BaseModel):
                return self._object(value.model_dump(by_alias=True), place, depth)
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                names = [f.name for f in dataclasses.fields(value)]
                return self._object({n: getattr(value, n) for n in names}, place, depth)
            if isinstance(value, Mapping):
                return self._object(value, place, depth)
            if isinstance(value, list | tuple):
                return [self.plain(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(value)]
            if isinstance(value, Set):
                return sorted((self.plain(v, f"{place}[]", depth + 1) for v in value), key=repr)
        finally:
            self._inside.discard(id(value))
        raise NotPlain(f"{place} is a {type(value).__name__}, which is no plain JSON")

    def _object(self, value: Mapping[Any, Any], place: str, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for own_key, inner in value.items():
            key = own_key.value if isinstance(own_key, Enum) else own_key
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise NotPlain(f"{place} has a {type(key).__name__} as a key")
            name = plain_text(f"{key}")
            if name in result:
                raise NotPlain(f"{place} has two keys that are the same in JSON")
            self._spend(len(name) + 4)
            result[name] = self.plain(inner, f"{place}.{name[:40]}", depth + 1)
        return result

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            mega = self._limit >= 2**20
            most = f"{self._limit // 2**20} MB" if mega else f"{self._limit // 2**10} KB"
            raise NotPlain(f"the result is larger than {most}")


def _number(value: int | float | Decimal, place: str) -> int | float | str:
    if isinstance(value, int):
        if value.bit_length() > _BIGGEST_BITS:
            raise NotPlain(f"{place} is a number of more than 300 digits")
        return int(value)
    if not math.isfinite(value):
        raise NotPlain(f"{place} is not a finite number")
    return format(value, "f") if isinstance(value, Decimal) else float(value)


def _moment(value: date | time | timedelta | UUID) -> str | float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)
