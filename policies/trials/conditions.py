"""The single conditions of a policy, as they are written and where they stand.

A policy's text is cut at the `&&` between the conditions of a `when`, and at the `||` between
those of an `unless`. Each part is parsed again and compared with the policy's own tree: where the
cut would change the meaning, the whole body stays one condition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.policies.bundle import Policy
from concertmaster.policies.statements import Statement

__all__ = ["Condition", "Path", "Tree", "conditions", "parsed", "paths"]

Kind = Literal["scope", "when", "unless"]
Path = tuple[str, ...]
"""The way to a value: `("context", "args", "amount_cents")`."""
Tree = Mapping[str, Any]
"""A node of Cedar's JSON form."""

_TOKEN = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|\s+|\w+|&&|\|\||.', re.S)
_ANYTHING = "principal, action, resource"
_BINDS = {"&&": ("||", "if"), "||": ("if",)}
"""Words that bind less tightly: beside one of them a cut would change the meaning."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition. A `when` and the scope must hold for the policy to match, an `unless` not.

    `text` is on one line and without comments, `source` is as written. `tree` is None for the
    scope. `line` and `column` are where it begins in its file.
    """

    kind: Kind
    text: str
    source: str
    line: int
    column: int
    tree: Tree | None = None

    @property
    def probe(self) -> str:
        """A policy that permits exactly what this condition lets the policy match."""
        if self.kind == "scope":
            return f"permit ({self.source}\n);"
        return f"permit ({_ANYTHING}) {self.kind} {{ {self.source}\n}};"


@dataclass(frozen=True)
class _Body:
    kind: Kind
    begin: int
    end: int


def conditions(policy: Policy) -> tuple[Condition, ...]:
    """Return the conditions of a policy in the order in which they are written.

    The scope is one of them if it names more than the action.
    """
    tree = parsed(policy.text)[0]
    statement = Statement(
        file=policy.file, line=policy.line, column=policy.column, text=policy.text
    )
    scope, *bodies = _bodies(policy.text)
    found = []
    if any(tree[part]["op"] != "All" for part in ("principal", "resource")):
        found.append(_condition(statement, scope, None))
    for body, condition in zip(bodies, tree["conditions"], strict=True):
        found += _split(statement, body, condition["body"])
    return tuple(found)


def parsed(text: str) -> list[Tree]:
    """Return the trees of the policies in a text, in order."""
    from cedarpy import policies_to_json_str

    static = json.loads(policies_to_json_str(text))["staticPolicies"]
    return [static[name] for name in sorted(static, key=lambda n: int(n.removeprefix("policy")))]


def paths(tree: Any) -> tuple[Path, ...]:
    """Return the values that a condition looks at, in order, each once.

    >>> paths(parsed('permit (principal, action, resource) when { context.args has x };')[0])
    (('context', 'args', 'x'),)
    """
    return tuple(dict.fromkeys(_paths(tree)))


def _paths(tree: Any) -> Iterator[Path]:
    if isinstance(tree, list):
        for item in tree:
            yield from _paths(item)
    elif isinstance(tree, Mapping):
        test = tree.get("has")
        way = _way(tree) if not isinstance(test, Mapping) else _way({".": test})
        if way is not None:
            yield way
            return
        for name, inner in tree.items():
            if name != "Value":
                yield from _paths(inner)


def _way(node: Any) -> Path | None:
    names: list[str] = []
    while isinstance(node, Mapping):
        if isinstance(node.get("Var"), str):
            return (node["Var"], *reversed(names))
        access = node.get(".")
        if not isinstance(access, Mapping) or not isinstance(access.get("attr"), str):
            return None
        names.append(access["attr"])
        node = access["left"]
    return None


def _split(statement: Statement, body: _Body, tree: Tree) -> list[Condition]:
    sign = "&&" if body.kind == "when" else "||"
    spans = _parts(statement.text, body, sign)
    if len(spans) > 1:
        trees = _trees([statement.text[span.begin : span.end] for span in spans])
        if trees and _joined(sign, trees) == tree:
            return [_condition(statement, s, t) for s, t in zip(spans, trees, strict=True)]
    return [_condition(statement, body, tree)]


def _condition(statement: Statement, span: _Body, tree: Tree | None) -> Condition:
    text = statement.text[span.begin : span.end]
    begin = span.begin + _silence(text)
    line, column = statement.place(begin)
    return Condition(
        kind=span.kind, text=_shown(text), source=text, line=line, column=column, tree=tree
    )


def _bodies(text: str) -> Iterator[_Body]:
    """Yield the scope between the parentheses, then each body between braces."""
    depth, begin = 0, 0
    kind: Kind = "scope"
    word, seen_scope, annotation = "", False, False
    for token in _TOKEN.finditer(text):
        now = token[0]
        if now.isspace() or now.startswith("//"):
            continue
        if now in "([{":
            depth += 1
            if depth == 1:
                annotation = not seen_scope and now == "(" and word not in ("permit", "forbid")
                kind = "unless" if word == "unless" else "when" if seen_scope else "scope"
                begin = token.end()
        elif now in ")]}":
            depth -= 1
            if depth == 0 and not annotation:
                yield _Body(kind, begin, token.start())
                seen_scope = True
        # `@permit("…")` is an annotation, whatever it is called.
        word = now if depth == 0 and word != "@" else "" if depth == 0 else word


def _parts(text: str, body: _Body, sign: str) -> list[_Body]:
    depth, begin, found = 0, body.begin, []
    for token in _TOKEN.finditer(text, body.begin, body.end):
        now = token[0]
        if now in "([{":
            depth += 1
        elif now in ")]}":
            depth -= 1
        elif depth == 0 and now in _BINDS[sign]:
            return [body]
        elif depth == 0 and now == sign:
            found.append(_Body(body.kind, begin, token.start()))
            begin = token.end()
    return [*found, _Body(body.kind, begin, body.end)]


def _trees(texts: Sequence[str]) -> list[Tree]:
    whole = "\n".join(f"permit ({_ANYTHING}) when {{ {text}\n}};" for text in texts)
    try:
        return [tree["conditions"][0]["body"] for tree in parsed(whole)]
    except (ValueError, RecursionError):
        return []


def _joined(sign: str, trees: Sequence[Tree]) -> Tree:
    whole = trees[0]
    for tree in trees[1:]:
        whole = {sign: {"left": whole, "right": tree}}
    return whole


def _silence(text: str) -> int:
    """Return how far into a text its first word stands, behind spaces and comments."""
    for token in _TOKEN.finditer(text):
        if not (token[0].isspace() or token[0].startswith("//")):
            return token.start()
    return 0


def _shown(text: str) -> str:
    """Return a text without comments, each stretch of spaces as one."""
    tokens = (t[0] for t in _TOKEN.finditer(text) if not t[0].startswith("//"))
    return re.sub(r"\x00+", " ", "".join("\0" if t.isspace() else t for t in tokens)).strip()
