"""What Cedar's own validator finds, said once and at its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from concertmaster.policies.schema import Vocabulary
from concertmaster.policies.statements import Problem, Statement

if TYPE_CHECKING:
    from cedarpy import Schema

__all__ = ["named", "validator_problems"]

_IN_CONTEXT = re.compile(r' in context for Action::"([^"]*)"')
_NO_ACTION = "unable to find an applicable action given the policy scope constraints"
_NAMED_TOOLS = 3


def validator_problems(
    statement: Statement, schema: Schema, words: Vocabulary, tools: frozenset[str]
) -> Iterator[Problem]:
    """Yield what Cedar's validator finds in a statement that is for these tools."""
    from cedarpy import validate_policies

    errors = validate_policies(statement.text, schema).errors
    for message in _told_once([error.error for error in errors]):
        word = named(message)
        more = ""
        hidden = words.why_hidden(word, tools) if word else None
        if hidden:
            more = f": policies cannot see {hidden}; offer it as a fact of the tool"
        elif "optional attribute" in message:
            more = f"; test it first with `has {word}`"
        yield statement.problem(message + more, near=word)


def _told_once(errors: list[str]) -> list[str]:
    """Return Cedar's messages in a stable order, those that differ in the tool alone as one."""
    tools: dict[str, set[str]] = {}
    for error in errors:
        message = re.sub(r"^for policy `policy\d+`, ", "", error)
        tools.setdefault(_IN_CONTEXT.sub("", message), set()).update(_IN_CONTEXT.findall(message))
    if len(tools) > 1:
        # Only says again that a name in the scope was not recognized.
        tools.pop(_NO_ACTION, None)
    return [_with_tools(message, sorted(tools[message])) for message in sorted(tools)]


def _with_tools(message: str, tools: list[str]) -> str:
    if not tools:
        return message
    others = " and others" if len(tools) > _NAMED_TOOLS else ""
    return f"{message} ({', '.join(tools[:_NAMED_TOOLS])}{others})"


def named(message: str) -> str | None:
    """Return the name that a message of Cedar is about, to find its line by."""
    quoted: list[str] = re.findall(r"`([^`]+)`", message) or re.findall(r": (\w+)$", message)
    words = re.findall(r"\w+", quoted[0]) if quoted else []
    return words[-1] if words else None
