"""Placeholder until the package is whole: nothing is proven."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.contracts import Provenance, ToolShape


@dataclass(frozen=True)
class Source:
    id: str
    trust: Literal["principal", "trusted", "untrusted"]
    content: Any

class Sources:
    def __init__(self, *sources: Source) -> None:
        self._s = sources
    def plus(self, *sources: Source) -> Sources:
        return Sources(*self._s, *sources)
    def __iter__(self) -> Iterator[Source]:
        return iter(self._s)
    def __len__(self) -> int:
        return len(self._s)

def trace(shape: ToolShape, arguments: Mapping[str, Any], sources: Sources, *, offered: frozenset[str] = frozenset()) -> Provenance:
    return Provenance()
