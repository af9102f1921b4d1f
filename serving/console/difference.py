"""What an edit changes: old and new arguments side by side, word by word. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from concertmaster.serving.console.characters import plain_json

__all__ = ["Change", "Part", "changes"]

_WORDS = re.compile(r"\s+|[^\s\w]|\w+")
_MOST_WORDS = 4000


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a text: in both, only in the old, or only in the new one."""

    kind: Literal["same", "old", "new"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """One argument. `parts` tells how its text changed; empty if it did not."""

    name: str
    old: str | None
    new: str | None
    parts: tuple[Part, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether old and new differ."""
        return self.old != self.new


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return every argument of both, in the order of the old ones, then of the new ones.

    >>> [(c.name, c.old, c.new) for c in changes({"a": 1}, {"a": 2, "b": "x"})]
    [('a', '1', '2'), ('b', None, 'x')]
    """
    told = []
    for name in dict.fromkeys((*old, *new)):
        before, after = _text(old, name), _text(new, name)
        # Of two values that read the same, such as 1 and "1", the kind is told as well.
        if before == after and name in old and name in new and old[name] != new[name]:
            before, after = plain_json(old[name]), plain_json(new[name])
        parts = tuple(_parts(before or "", after or "")) if before != after else ()
        told.append(Change(name=name, old=before, new=after, parts=parts))
    return tuple(told)


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    if name not in arguments:
        return None
    value = arguments[name]
    return value if isinstance(value, str) else plain_json(value, indent=2)


def _parts(old: str, new: str) -> Iterator[Part]:
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    if max(len(before), len(after)) > _MOST_WORDS:
        before, after = [old], [new]
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            yield Part(kind="same", text="".join(before[i:j]))
            continue
        if j > i:
            yield Part(kind="old", text="".join(before[i:j]))
        if m > k:
            yield Part(kind="new", text="".join(after[k:m]))
