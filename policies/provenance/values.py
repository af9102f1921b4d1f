"""Takes a call's arguments apart into the values whose origin counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import ToolShape
from concertmaster.policies.provenance.amounts import decimal, minor_unit
from concertmaster.policies.provenance.folding import clean, fold, hides, shown
from concertmaster.policies.provenance.schemas import Schemas
from concertmaster.policies.provenance.sentences import stems
from concertmaster.policies.provenance.wanted import (
    Number,
    Ways,
    carried,
    entity,
    mailboxes,
    text_of,
)

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_VALUES", "Piece", "pieces"]

MAX_DEPTH = 20
MAX_VALUES = 2000
MAX_CHARACTERS = 200_000
"""Limits for one call; what lies beyond them counts as composed."""

_MAX_WORDS = 6
_PLAIN_WORDS = re.compile(
    r"[^\W\d_]+(?:['-][^\W\d_]+)*(?:[ ,&!?:;]+[^\W\d_]+(?:['-][^\W\d_]+)*)*[.!?]?"
)
_EMPTY_WORDS = frozenset(
    "a an the of to for with and or in on at by from my your our his her their this that is".split()
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One value of a call and how it can stand in a source.

    `words` are the stems that suffice if one sentence of the principal's holds all of them.
    """

    argument: str
    path: str
    ways: Ways = ()
    words: frozenset[str] = frozenset()
    embedded: bool = False


@dataclass
class _Budget:
    values: int = MAX_VALUES
    characters: int = MAX_CHARACTERS


class _Spent(Exception):
    """The call holds more than is looked at."""


def pieces(shape: ToolShape, arguments: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield the values of a call; those that nobody chose are left out.

    Nobody chooses null, what is empty, and what equals the declared default. What lies beyond
    the limits is one piece that stands nowhere. So is an argument that the tool does not declare;
    it is named by its place alone, for its name is anybody's text. The order of keys does not
    matter.
    """
    schemas = Schemas(shape.arguments)
    budget = _Budget()
    for i, name in enumerate(sorted(arguments)):
        if not schemas.declares(name):
            yield Piece(f"{{{i}}}", f"{{{i}}}", embedded=True)
            continue
        try:
            found = list(_Walk(shape, name, schemas, budget).value(arguments[name]))
        except _Spent:
            found = [Piece(name, name, embedded=True)]
        yield from found


def _name(item: tuple[Any, Any]) -> str:
    return str(item[0])


class _Walk:
    """The way through one argument."""

    def __init__(self, shape: ToolShape, name: str, schemas: Schemas, budget: _Budget) -> None:
        self._name = name
        self._schemas = schemas
        self._budget = budget
        self._carries = shape.targets is not None and name not in shape.targets

    def value(self, value: Any) -> Iterator[Piece]:
        """Yield the pieces of the argument's value."""
        yield from self._any(value, self._name, self._name, self._schemas.argument(self._name), 0)

    def _any(
        self, value: Any, path: str, key: str, schema: Mapping[str, Any], depth: int
    ) -> Iterator[Piece]:
        if value is None or self._schemas.is_default(value, schema):
            return
        self._spend(1)
        if isinstance(value, str):
            yield from self._text(value, path, key, schema)
        elif isinstance(value, Mapping | list | tuple):
            if depth >= MAX_DEPTH:
                raise _Spent
            yield from self._inner(value, path, key, schema, depth + 1)
        else:
            yield Piece(self._name, path, self._scalar(value, key))

    def _inner(
        self, value: Any, path: str, key: str, schema: Mapping[str, Any], depth: int
    ) -> Iterator[Piece]:
        if not isinstance(value, Mapping):
            items = self._schemas.items(schema)
            for i, inner in enumerate(value):
                self._spend(0, 1)
                yield from self._any(inner, f"{path}[{i}]", key, items, depth)
            return
        for i, (name, inner) in enumerate(sorted(value.items(), key=_name)):
            self._spend(0, 1)
            known = self._schemas.property(schema, str(name))
            if known is not None:
                yield from self._any(inner, f"{path}.{name}", str(name), known, depth)
                continue
            # Nobody declared the key: whoever made the call chose it.
            self._spend(1)
            yield from self._text(str(name), f"{path}{{{i}}}.key", key, {})
            yield from self._any(inner, f"{path}{{{i}}}", str(name), {}, depth)

    def _scalar(self, value: Any, key: str) -> Ways:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return ()  # true and false cannot stand in words
        number = decimal(value, minor=minor_unit(key))
        return ((Number(number),),) if number is not None else ()

    def _text(self, value: str, path: str, key: str, schema: Mapping[str, Any]) -> Iterator[Piece]:
        if not value or value.isspace():
            return
        self._spend(0, len(value))
        seen = shown(clean(value))
        if not seen or hides(value):
            yield Piece(self._name, path, embedded=self._carries)
            return
        folded = fold(seen)
        addresses = mailboxes(folded)
        if addresses:
            yield from self._each(addresses, path)
            return
        alone = entity(seen, folded, minor=minor_unit(key))
        if alone is not None:
            ways, is_address = alone
            yield Piece(self._name, path, ways)
            if is_address and self._carries:
                yield Piece(self._name, path, ways, embedded=True)
            return
        listed = bool(schema) and self._schemas.is_choice(value, schema)
        ways = ((text_of(folded),),)
        if folded.startswith("#") and " " not in folded:
            ways = (*ways, (text_of(folded[1:]),))
        if listed:
            ways = (*ways, (text_of(folded.replace("_", " ").replace("-", " ")),))
        yield Piece(self._name, path, ways, self._words(folded, listed=listed))
        yield from self._carried(seen, folded, path)

    def _carried(self, seen: str, folded: str, path: str) -> Iterator[Piece]:
        counts: dict[str, int] = {}
        for kind, ways in carried(seen, folded):
            self._spend(1)
            number = counts[kind] = counts.get(kind, -1) + 1
            yield Piece(self._name, f"{path}:{kind}[{number}]", ways, embedded=True)

    def _each(self, addresses: list[Ways], path: str) -> Iterator[Piece]:
        for i, ways in enumerate(addresses):
            self._spend(1)
            here = f"{path}[{i}]" if len(addresses) > 1 else path
            yield Piece(self._name, here, ways)
            if self._carries:
                yield Piece(self._name, here, ways, embedded=True)

    def _words(self, folded: str, *, listed: bool) -> frozenset[str]:
        """Return the words that may stand apart: of a short phrase, or of a declared choice."""
        if listed:
            folded = folded.replace("_", " ").replace("-", " ")
        elif not self._carries or " " not in folded:
            return frozenset()
        if len(folded) > 120 or not _PLAIN_WORDS.fullmatch(folded):
            return frozenset()
        words = folded.split()
        if len(words) > _MAX_WORDS:
            return frozenset()
        return frozenset(stems(" ".join(word for word in words if word not in _EMPTY_WORDS)))

    def _spend(self, values: int, characters: int = 0) -> None:
        self._budget.values -= values
        self._budget.characters -= characters
        if self._budget.values < 0 or self._budget.characters < 0:
            raise _Spent
