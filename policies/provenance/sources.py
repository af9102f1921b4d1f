"""The places in which the values of a call may stand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from concertmaster.policies.provenance.amounts import decimal, minor_unit
from concertmaster.policies.provenance.folding import SEPARATOR, clean
from concertmaster.policies.provenance.index import Index

__all__ = ["Source", "Sources", "Standing"]

Standing = Literal["principal", "trusted", "untrusted"]
"""How far a source is trusted; `principal` is the principal's own words."""

_MAX_LEAVES, _MAX_DEPTH, _MAX_CHARACTERS = 100_000, 64, 4_000_000
_KEPT_CHARACTERS, _KEPT = 1_000_000, 512


@dataclass(frozen=True)
class Source:
    """A message, a tool's output or a document.

    Args:
        id: names it for the reviewer: `message-3`, `call-2`.
        trust: whose words these are.
        content: text or plain JSON. Of JSON the values count, the keys do not. It must not
            change afterwards.

    >>> Source("message-1", "principal", "Pay Ana 20 euros").trust
    'principal'
    """

    id: str
    trust: Standing
    content: Any = field(repr=False)

    @cached_property
    def index(self) -> Index:
        """What stands in it, collected once."""
        return _index(*_gather(self.content))


class Sources:
    """All places in which a call's values may stand; immutable.

    >>> said = Sources(Source("message-1", "principal", "Pay Ana"))
    >>> len(said.plus(Source("call-1", "untrusted", {"iban": "…"})))
    2
    """

    __slots__ = ("_all", "_by_standing")

    def __init__(self, *sources: Source) -> None:
        self._all = sources
        self._by_standing = {
            standing: tuple(source for source in sources if source.trust == standing)
            for standing in ("principal", "trusted", "untrusted")
        }

    def plus(self, *sources: Source) -> Sources:
        """Return these sources and more; what was collected from these is kept."""
        return Sources(*self._all, *sources) if sources else self

    def of(self, standing: Standing) -> tuple[Source, ...]:
        """Return the sources of one standing."""
        return self._by_standing[standing]

    def __iter__(self) -> Iterator[Source]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _gather(content: Any) -> tuple[str, frozenset[str]]:
    """Return the texts of a content, parted, and its numbers in plain decimal form."""
    if isinstance(content, str):
        return clean(content[:_MAX_CHARACTERS]), frozenset()
    texts: list[str] = []
    found: set[str] = set()
    room = _MAX_CHARACTERS
    waiting: list[tuple[Any, str, int]] = [(content, "", 0)]
    for _ in range(_MAX_LEAVES):
        if not waiting or room <= 0:
            break
        value, key, depth = waiting.pop()
        if isinstance(value, str):
            texts.append(clean(value[:room]))
            room -= len(value)
        elif isinstance(value, bool) or value is None:
            continue
        elif isinstance(value, int | float):
            number = decimal(value, minor=minor_unit(key))
            if number is not None:
                found.add(number)
                if isinstance(value, int) and not minor_unit(key):
                    texts.append(number)
        elif depth < _MAX_DEPTH and isinstance(value, dict):
            waiting += [(inner, str(name), depth + 1) for name, inner in reversed(value.items())]
        elif depth < _MAX_DEPTH and isinstance(value, list | tuple):
            waiting += [(inner, key, depth + 1) for inner in reversed(value)]
    return f" {SEPARATOR} ".join(texts), frozenset(found)


_lock = threading.Lock()
_known: OrderedDict[tuple[str, frozenset[str]], Index] = OrderedDict()
_held = 0


def _index(text: str, numbers: frozenset[str]) -> Index:
    """Return the index of a content, the same one for an equal content seen lately.

    A run's sources are often made anew from its record; the last ones need no second reading.
    """
    global _held  # noqa: PLW0603 -- the size of the cache, under its lock
    key = (text, numbers)
    with _lock:
        if key in _known:
            _known.move_to_end(key)
            return _known[key]
    made = Index(text, numbers)
    with _lock:
        if key not in _known:
            _known[key] = made
            _held += len(text)
        while _known and (_held > _KEPT_CHARACTERS or len(_known) > _KEPT):
            (old, _), _ = _known.popitem(last=False)
            _held -= len(old)
    return made
