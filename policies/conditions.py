"""CEL in a workspace's files: conditions of routes, arguments and wordings of playbooks, rules.

Expressions are compiled once, their names checked against what they may refer to, and evaluated
over plain data. Whatever cannot be evaluated is a `ConditionError`; callers fail closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from concertmaster.errors import ConcertmasterError

__all__ = ["Condition", "ConditionError", "Expression", "Fields", "Template", "paths"]

Fields = Mapping[str, Any]
"""What an expression may refer to: names to further fields, to a one-item list of fields (a list
of records), or to None where anything below is free."""

# The parser recurses over chains of operators; far longer ones take the process down.
_LONGEST = 4000

_PATH = re.compile(r"(?<![\w.\])'\"])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?!\w*\s*\()")
_STRING = re.compile(r"r?'(?:\\.|[^'\\])*'|r?\"(?:\\.|[^\"\\])*\"")
_WORDS = frozenset({"true", "false", "null", "in"})
_PLACEHOLDER = re.compile(r"\{=(.*?)\}(?!\})", re.DOTALL)


class ConditionError(ConcertmasterError):
    """An expression does not compile, names something unknown, or cannot be evaluated."""

    code = "CM140"


class Expression:
    """One compiled CEL expression.

    >>> Expression.compile("slots.amount > 5000").value({"slots": {"amount": 9900}})
    True
    """

    def __init__(self, text: str, program: Any, variables: frozenset[str]) -> None:
        self.text = text
        self.variables = variables
        self._program = program

    @classmethod
    def compile(cls, text: str, fields: Fields | None = None) -> Expression:
        """Compile an expression, and check its names if `fields` is given.

        Raises:
            ConditionError: it does not compile, or refers to what does not exist.
        """
        expression = _compiled(text)
        if fields is not None:
            for path in paths(text):
                _check(text, path.split("."), fields)
        return expression

    def value(self, known: Mapping[str, Any]) -> Any:
        """Evaluate it over plain data; names that are not given are null.

        Raises:
            ConditionError: a part is missing, or types do not fit.
        """
        import cel

        context = cel.Context()
        for name, function in _FUNCTIONS.items():
            context.add_function(name, function)
        for name in self.variables:
            context.add_variable(name, known.get(name))
        try:
            return self._program.execute(context)
        except Exception as error:
            told = str(error).split(":")[0].split(",")[0][:120]
            raise ConditionError(f"{self.text!r} cannot be evaluated: {told}") from None


class Condition:
    """An expression that is true or false."""

    def __init__(self, expression: Expression) -> None:
        self.expression = expression

    @property
    def text(self) -> str:
        """The expression as written."""
        return self.expression.text

    @classmethod
    def compile(cls, text: str, fields: Fields | None = None) -> Condition:
        """Compile a condition; see `Expression.compile`."""
        return cls(Expression.compile(text, fields))

    def holds(self, known: Mapping[str, Any]) -> bool:
        """Tell whether it holds.

        Raises:
            ConditionError: it cannot be evaluated, or is neither true nor false.
        """
        value = self.expression.value(known)
        if not isinstance(value, bool):
            raise ConditionError(f"{self.text!r} is neither true nor false")
        return value


class Template:
    """Text with `{=CEL}` placeholders.

    >>> Template.compile("Refunded {=money(results.r.cents, 'EUR')}.").render(
    ...     {"results": {"r": {"cents": 3550}}})
    'Refunded 35.50 EUR.'
    """

    def __init__(self, text: str, parts: tuple[str | Expression, ...]) -> None:
        self.text = text
        self.parts = parts

    @classmethod
    def compile(cls, text: str, fields: Fields | None = None) -> Template:
        """Compile every placeholder; see `Expression.compile`."""
        parts: list[str | Expression] = []
        end = 0
        for match in _PLACEHOLDER.finditer(text):
            parts.append(text[end : match.start()])
            parts.append(Expression.compile(match.group(1), fields))
            end = match.end()
        parts.append(text[end:])
        return cls(text, tuple(p for p in parts if p != ""))

    def render(self, known: Mapping[str, Any]) -> str:
        """Return the text with every placeholder filled in.

        Raises:
            ConditionError: a placeholder cannot be evaluated, or is null.
        """
        return "".join(p if isinstance(p, str) else _shown(p, p.value(known)) for p in self.parts)


def paths(text: str) -> Iterator[str]:
    """Yield the dotted paths of names in an expression, strings and functions aside."""
    bare = _STRING.sub("''", text)
    for match in _PATH.finditer(bare):
        path = match.group(1)
        if path.split(".")[0] not in _WORDS:
            yield path


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Expression:
    import cel

    if len(text) > _LONGEST:
        raise ConditionError(
            f"{text[:40]!r}… does not compile: it is longer than {_LONGEST} characters",
            hint="split it, or let a custom step compute it into `data`",
        )
    try:
        program = cel.compile(text)
        return Expression(text, program, frozenset(program.variables()))
    except Exception as error:
        told = str(error).splitlines()[0].split("ERROR: ")[-1][:160]
        raise ConditionError(f"{text!r} does not compile: {told}") from None


def _check(text: str, path: list[str], fields: Fields) -> None:
    known: Any = fields
    for depth, name in enumerate(path):
        if known is None:
            return
        if isinstance(known, list):
            return
        if name not in known:
            if depth == 0 and _is_bound(text, name):
                return
            where = ".".join(path[:depth])
            raise ConditionError(
                f"{text!r} names {'.'.join(path[: depth + 1])!r}, which does not exist",
                hint=f"{where or 'there'} has: {', '.join(sorted(known))}",
            )
        known = known[name]


def _is_bound(text: str, name: str) -> bool:
    """Tell whether a macro such as `actions.exists(a, a.status == 'done')` binds the name."""
    return bool(re.search(rf"\.(exists|exists_one|all|filter|map)\(\s*{re.escape(name)}\s*,", text))


def _shown(expression: Expression, value: Any) -> str:
    if value is None:
        raise ConditionError(f"{expression.text!r} is null and cannot be shown")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_shown(expression, v) for v in value)
    return str(value)


def _money(cents: Any, currency: Any = "EUR") -> str:
    if not isinstance(cents, int) or isinstance(cents, bool):
        raise TypeError("money() takes minor units, a whole number")
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02d} {currency}"


def _lower(text: Any) -> str:
    return str(text).lower()


_FUNCTIONS: Mapping[str, Any] = {"money": _money, "lower": _lower}
