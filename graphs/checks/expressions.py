"""Expressions and wordings of a workspace's files: they compile, and name what exists."""

from __future__ import annotations

import re
from collections.abc import Iterator

from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem
from concertmaster.policies.conditions import ConditionError, Expression, Fields, Template

__all__ = ["check_condition", "check_template"]

_INDEXED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\[\s*(['\"])(\w+)\2\s*\]")


def check_condition(
    subject: Subject, place: Place, text: str, fields: Fields, whose: str
) -> Iterator[Problem]:
    """Look at one CEL expression."""
    try:
        Expression.compile(text, fields)
        _check_indexed(text, fields)
    except ConditionError as error:
        yield subject.error(place, "condition", f"{whose}: {error.message}", error.hint)


def check_template(
    subject: Subject, place: Place, text: str, fields: Fields, whose: str
) -> Iterator[Problem]:
    """Look at a wording with `{=CEL}` in it."""
    try:
        template = Template.compile(text, fields)
        for piece in template.parts:
            if isinstance(piece, Expression):
                _check_indexed(piece.text, fields)
            elif "{=" in piece:
                raise ConditionError(
                    f"a placeholder is not closed: {piece[piece.index('{=') :][:40]!r}",
                    hint="write {=expression}",
                )
    except ConditionError as error:
        yield subject.error(place, "condition", f"{whose}: {error.message}", error.hint)


def _check_indexed(text: str, fields: Fields) -> None:
    """Check names given as an index, such as `results['order']`, which paths do not show."""
    for match in _INDEXED.finditer(text):
        known, name = fields.get(match[1]), match[3]
        if isinstance(known, dict) and name not in known:
            raise ConditionError(
                f"{text!r} names {match[1] + '.' + name!r}, which does not exist",
                hint=f"{match[1]} has: {', '.join(sorted(known))}",
            )
