"""Finds `has` tests for attributes that cannot exist.

Cedar's validator takes `context.args has amuont` for plain false. In a `forbid` that would be a
rule that never applies, so it is a problem here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from concertmaster.policies.schema import Vocabulary
from concertmaster.policies.statements import Problem, Statement

__all__ = ["unknown_tests"]

_LISTED = 8


def unknown_tests(
    statement: Statement, tree: Mapping[str, Any], words: Vocabulary, tools: frozenset[str]
) -> Iterator[Problem]:
    """Yield a problem for each `has` whose attribute none of the policy's tools has."""
    for path, name in _tests(tree):
        known = words.attributes(path, tools)
        if known is None or not tools or name in known:
            continue
        hidden = words.why_hidden(name, tools)
        close = get_close_matches(name, known, n=1)
        more = ""
        if hidden:
            more = f": policies cannot see {hidden}; offer it as a fact of the tool"
        elif close:
            more = f"; did you mean {close[0]!r}?"
        elif known:
            more = f"; it can have {', '.join(sorted(known)[:_LISTED])}"
        yield statement.problem(f"{'.'.join(path)} never has {name!r}{more}", near=name)


def _tests(tree: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    waiting: list[Any] = [condition["body"] for condition in tree.get("conditions", ())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, Mapping):
            test = node.get("has")
            if isinstance(test, Mapping) and isinstance(test.get("attr"), str):
                path = _path(test.get("left"))
                if path:
                    yield path, test["attr"]
            waiting.extend(node.values())


def _path(node: Any) -> tuple[str, ...] | None:
    """Return `("context", "args")` for `context.args`; None for anything but a plain path."""
    names: list[str] = []
    while isinstance(node, Mapping):
        if isinstance(node.get("Var"), str):
            return (node["Var"], *reversed(names))
        access = node.get(".")
        if not isinstance(access, Mapping):
            return None
        names.append(access["attr"])
        node = access["left"]
    return None
