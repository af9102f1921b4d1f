"""Conditions of one policy that exclude each other, so that it can never match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from concertmaster.policies.trials.conditions import Condition, Path, Tree, paths

__all__ = ["contradiction"]

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_LONG = 2**63


@dataclass
class _Known:
    """What earlier conditions say of one value; the texts of those that say it."""

    low: int = -_LONG
    high: int = _LONG - 1
    equal: list[Any] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def impossible(self) -> bool:
        if self.low > self.high or any(value != self.equal[0] for value in self.equal[1:]):
            return True
        numbers = [v for v in self.equal if isinstance(v, int) and not isinstance(v, bool)]
        return any(not self.low <= value <= self.high for value in numbers)


def contradiction(split: Sequence[Condition]) -> str | None:
    """Return the conditions that cannot hold together, in words; None if none is found.

    Only plain comparisons of one value with a constant are looked at.
    """
    known: dict[Path, _Known] = {}
    for condition in split:
        if condition.tree is None:
            continue
        held = condition.kind == "when"
        if condition.tree == {"Value": not held}:
            return f"{condition.kind} {{ {condition.text} }}"
        for path, sign, value in _comparisons(condition.tree, held):
            about = known.setdefault(path, _Known())
            about.said.append(condition.text if held else f"unless {condition.text}")
            _add(about, sign, value)
            if about.impossible():
                return " and ".join(dict.fromkeys(about.said))
    return None


def _add(about: _Known, sign: str, value: Any) -> None:
    match sign:
        case "==":
            about.equal.append(value)
        case "<":
            about.high = min(about.high, value - 1)
        case "<=":
            about.high = min(about.high, value)
        case ">":
            about.low = max(about.low, value + 1)
        case ">=":
            about.low = max(about.low, value)


def _comparisons(tree: Tree, held: bool) -> Iterable[tuple[Path, str, Any]]:
    """Return the comparison that a condition is; `held` is whether it must hold, or must not."""
    path = _plain(tree)
    if path is not None:
        return [(path, "==", held)]
    if "!" in tree:
        return _comparisons(tree["!"]["arg"], not held)
    written = next((sign for sign in _MIRRORED if sign in tree), None)
    if written is None:
        return []
    left, right, sign = tree[written]["left"], tree[written]["right"], written
    if _plain(left) is None:
        left, right, sign = right, left, _MIRRORED[written]
    path, value = _plain(left), _constant(right)
    if path is None or value is None or (sign != "==" and not isinstance(value, int)):
        return []
    if held:
        return [(path, sign, value)]
    if sign != "==":
        return [(path, _NEGATED[sign], value)]
    return [(path, "==", not value)] if isinstance(value, bool) else []


def _plain(node: Any) -> Path | None:
    found = paths(node)
    plain = isinstance(node, Mapping) and ("." in node or "Var" in node)
    return found[0] if plain and len(found) == 1 else None


def _constant(node: Any) -> Any:
    value = node.get("Value") if isinstance(node, Mapping) else None
    return value if isinstance(value, str | int) else None
