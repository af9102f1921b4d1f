"""The values that a workspace's owner wrote into a playbook. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from concertmaster.contracts.spec import PlaybookSpec

__all__ = ["constants_of"]

_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def constants_of(playbook: PlaybookSpec) -> list[Any]:
    """Return literal arguments, texts that stand in expressions, and the values of enum slots.

    Numbers within expressions are left out: they are factors and bounds more often than values.

    >>> given = {"currency": "EUR", "why": "=slots.x == null ? 'other' : slots.x"}
    >>> call = {"key": "pay", "tool": "pay", "arguments": given}
    >>> constants_of(PlaybookSpec.model_validate({"name": "pay", "calls": [call]}))
    ['EUR', 'other']
    """
    found = [
        value
        for call in playbook.calls
        for raw in call.arguments.values()
        for value in _literals(raw)
    ]
    return [*found, *(name for slot in playbook.slots for name in slot.values)]


def _literals(raw: Any) -> Iterator[Any]:
    if isinstance(raw, str) and raw.startswith("="):
        for single, double in _QUOTED.findall(raw):
            yield single or double
    else:
        yield raw
