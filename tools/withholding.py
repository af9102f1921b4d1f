"""Taking fields out of a result before anything sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["WITHHELD", "withheld"]

WITHHELD = "[redacted]"
"""What stands in the place of a value that was taken out."""


def withheld(value: Any, fields: Collection[str]) -> tuple[Any, int]:
    """Return a plain value without what stands under these keys, and how often one did.

    A key counts wherever it stands, in upper or lower case.

    >>> withheld({"id": 7, "holder": [{"IBAN": "DE89…", "name": "Ana"}]}, ["iban"])
    ({'id': 7, 'holder': [{'IBAN': '[redacted]', 'name': 'Ana'}]}, 1)
    """
    wanted = frozenset(field.casefold() for field in fields)
    return _cut(value, wanted) if wanted else (value, 0)


def _cut(value: Any, wanted: frozenset[str]) -> tuple[Any, int]:
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        count = 0
        for name, inner in value.items():
            if str(name).casefold() in wanted:
                kept[name], found = WITHHELD, 1
            else:
                kept[name], found = _cut(inner, wanted)
            count += found
        return kept, count
    if isinstance(value, list | tuple):
        parts = [_cut(inner, wanted) for inner in value]
        return [part for part, _ in parts], sum(found for _, found in parts)
    return value, 0
