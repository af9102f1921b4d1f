"""What an expression refers to, and what of that does not exist: CEL read without running it.

`policies.conditions` compiles an expression and checks its plain paths. Here its text is read
further than a compiler needs to: calls, names that macros bind, items of lists, and the texts
with which a name is compared, so that a misspelt one is found before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from concertmaster.graphs.problems import closest
from concertmaster.policies.conditions import Fields

__all__ = ["FUNCTIONS", "Flaw", "References", "Values", "flaws", "references"]

_MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})
_DATES = (
    "FullYear Month Date DayOfMonth DayOfWeek DayOfYear Hours Minutes Seconds Milliseconds".split()
)
FUNCTIONS = frozenset(
    "has size contains startsWith endsWith matches int uint double string bytes timestamp duration"
    " type dyn money lower".split()
) | {f"get{part}" for part in _DATES}
"""The functions that expressions can call, besides the macros."""

Values = Mapping[str, Collection[str]]
"""The texts that a name can have, by its path: `intent.name`, or `done[]` for items of a list."""

_WORDS = frozenset({"true", "false", "null", "in"})
_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[rRbB]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<number>0x[0-9a-fA-F]+u?|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?u?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<mark>==|!=|<=|>=|&&|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Flaw:
    """What is wrong with an expression: a `name` or a `value` that does not exist."""

    kind: str
    message: str
    hint: str


@dataclass
class References:
    """What an expression names: unknown paths with what there is, functions, compared texts."""

    unknown: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    compared: list[tuple[str, str]] = field(default_factory=list)


def flaws(text: str, fields: Fields, values: Values | None = None) -> Iterator[Flaw]:
    """Yield the names, functions and values of an expression that do not exist.

    Args:
        text: an expression that compiles.
        fields: the names that it may refer to.
        values: the texts that some of the names can have.
    """
    found = references(text, fields)
    for path, known in found.unknown:
        where, _, name = path.rpartition(".")
        hint = _hint(name, known, f"{where} has" if where else "there is")
        yield Flaw("name", f"{text!r} names {path!r}, which does not exist", hint)
    for name in found.functions:
        if name not in FUNCTIONS:
            hint = _hint(name, FUNCTIONS | _MACROS, "there are")
            yield Flaw("name", f"{text!r} calls {name!r}, which does not exist", hint)
    for path, value in found.compared:
        options = (values or {}).get(path)
        if options is not None and value not in options:
            told = f"{text!r} asks for {value!r}, which {path.removesuffix('[]')} never has"
            yield Flaw("value", told, _hint(value, options, "it can have"))


def _hint(word: str, known: Iterable[str], what: str) -> str:
    names = sorted(known)
    return closest(word, names) or f"{what}: {', '.join(names) or 'nothing'}"


def references(text: str, fields: Fields) -> References:
    """Return what an expression that compiles refers to.

    >>> references("actions.exists(a, a.tool == 'refund')", {"actions": [{"tool": None}]}).compared
    [('actions[].tool', 'refund')]
    """
    tokens = [
        (str(match.lastgroup), match.group())
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "space"
    ]
    walk = _Walk(tokens)
    walk.span(0, len(tokens), {name: (below, name) for name, below in fields.items()})
    return walk.found


_Known = tuple[Any, str]
"""What lies below a name (see `Fields`), and its path; an empty path is not known."""

_Scope = Mapping[str, _Known]


class _Walk:
    """Goes through the tokens of an expression once, with the names that are bound there."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self.found = References()

    def span(self, at: int, end: int, scope: _Scope) -> None:
        """Look at the tokens from `at` to before `end`."""
        while at < end:
            kind, text = self._tokens[at]
            if kind != "name" or text in _WORDS:
                at += 1
            elif self._mark(at + 1) == "(":
                at = self._call(at, (None, ""), scope)[0]
            elif self._mark(at - 1) == ".":
                at += 1
            else:
                at = self._chain(at, scope)

    def _chain(self, begin: int, scope: _Scope) -> int:
        """Follow `name.member[index].call(…)`; return where it ends."""
        name = self._tokens[begin][1]
        known = scope.get(name)
        if known is None:
            self.found.unknown.append((name, tuple(sorted(scope))))
            known = (None, "")
        at = begin + 1
        while True:
            if self._mark(at) == "." and self._mark(at + 2) == "(":
                at, known = self._call(at + 1, known, scope)
            elif self._mark(at) == "." and self._mark(at + 1):
                known = self._member(known, self._tokens[at + 1][1])
                at += 2
            elif self._mark(at) == "[":
                at, known = self._index(at, known, scope)
            else:
                self._compared(begin, at, known[1])
                return at

    def _call(self, at: int, target: _Known, scope: _Scope) -> tuple[int, _Known]:
        name, close = self._tokens[at][1], self._close(at + 1)
        begin = at + 2
        if name in _MACROS and self._mark(begin + 1) == ",":
            scope = {**scope, self._tokens[begin][1]: _item(target)}
            begin += 2
        elif name not in _MACROS:
            self.found.functions.append(name)
        self.span(begin, close, scope)
        return close + 1, target if name == "filter" else (None, "")

    def _index(self, at: int, known: _Known, scope: _Scope) -> tuple[int, _Known]:
        close = self._close(at)
        self.span(at + 1, close, scope)
        if self._is_text(at + 1) and close == at + 2 and isinstance(known[0], Mapping):
            return close + 1, self._member(known, _plain(self._tokens[at + 1][1]))
        return close + 1, _item(known)

    def _member(self, known: _Known, name: str) -> _Known:
        below, path = known
        inner = f"{path}.{name}" if path else ""
        if not isinstance(below, Mapping):
            return None, inner
        if name not in below:
            self.found.unknown.append((inner or name, tuple(sorted(below))))
            return None, ""
        return below[name], inner

    def _compared(self, begin: int, end: int, path: str) -> None:
        """Note the texts with which the name between `begin` and `end` is compared."""
        before, after = self._mark(begin - 1), self._mark(end)
        if not path or "+" in (before, after):
            return
        if after in ("==", "!=") and self._is_text(end + 1):
            self._note(path, end + 1)
        elif after == "in" and self._mark(end + 1) == "[":
            for at in range(end + 2, self._close(end + 1)):
                if self._is_text(at):
                    self._note(path, at)
        if before in ("==", "!=") and self._is_text(begin - 2):
            self._note(path, begin - 2)
        elif before == "in" and self._is_text(begin - 2):
            self._note(f"{path}[]", begin - 2)

    def _note(self, path: str, at: int) -> None:
        if "+" not in (self._mark(at - 1), self._mark(at + 1)):
            self.found.compared.append((path, _plain(self._tokens[at][1])))

    def _mark(self, at: int) -> str:
        """Return the token at a place if it is no text; an empty one beyond the ends."""
        if not 0 <= at < len(self._tokens) or self._tokens[at][0] == "text":
            return ""
        return self._tokens[at][1]

    def _is_text(self, at: int) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at][0] == "text"

    def _close(self, at: int) -> int:
        """Return where the bracket that opens at `at` closes."""
        depth = 0
        for place in range(at, len(self._tokens)):
            mark = self._mark(place)
            depth += (mark in _PAIRS) - (mark in _PAIRS.values())
            if depth == 0:
                return place
        return len(self._tokens)


def _item(known: _Known) -> _Known:
    below, path = known
    return (below[0] if isinstance(below, list) else None), (f"{path}[]" if path else "")


def _plain(text: str) -> str:
    """Return what a text token says; escapes stay as they are written."""
    bare = text.lstrip("rRbB")
    quotes = 3 if bare[:3] in ('"""', "'''") and len(bare) >= 6 else 1
    return bare[quotes:-quotes]
