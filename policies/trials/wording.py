"""Where the values of a call come from, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import Provenance, ToolShape
from concertmaster.contracts.provenance import Origin, ValueOrigin

__all__ = ["Origins", "origin_of", "origins_of"]

_WORST: tuple[Origin, ...] = ("composed", "untrusted", "trusted", "principal")
_WORDS: Mapping[Origin, str] = {
    "principal": "stands in the principal's own words",
    "trusted": "stands in a trusted source",
    "untrusted": "stands in untrusted output only",
    "composed": "stands nowhere: nobody said it, nothing read holds it",
}
_NOBODY = "is the default; nobody chose it"
_LISTED = 4


@dataclass(frozen=True, kw_only=True)
class Origins:
    """One argument: the worst origin of its values, None if nobody chose them, and in words."""

    argument: str
    origin: Origin | None
    told: tuple[str, ...]
    target: bool


def origin_of(provenance: Provenance, argument: str) -> Origin | None:
    """Return the worst origin among an argument's values; None if it has none."""
    found = {v.origin for v in provenance.values if v.argument == argument}
    return next((origin for origin in _WORST if origin in found), None)


def origins_of(
    shape: ToolShape, arguments: Mapping[str, Any], provenance: Provenance
) -> tuple[Origins, ...]:
    """Return where each argument comes from; targets are those that decide what a call reaches."""
    return tuple(
        Origins(
            argument=name,
            origin=origin_of(provenance, name),
            told=_told([v for v in provenance.values if v.argument == name], name),
            target=shape.targets is None or name in shape.targets,
        )
        for name in arguments
    )


def _told(values: list[ValueOrigin], name: str) -> tuple[str, ...]:
    if not values:
        return (_NOBODY,)
    lines: dict[str, list[str]] = {}
    for value in sorted(values, key=lambda v: _WORST.index(v.origin)):
        places = f" ({', '.join(value.sources[:_LISTED])})" if value.sources else ""
        inside = "an address, link or number inside of the text " if value.embedded else ""
        lines.setdefault(f"{inside}{_WORDS[value.origin]}{places}", []).append(value.path)
    if len(lines) == 1:
        return tuple(lines)
    return tuple(f"{_where(paths, name)}{line}" for line, paths in lines.items())


def _where(found: list[str], name: str) -> str:
    parts = [path for path in found if path != name]
    if not parts:
        return ""
    more = ", …" if len(parts) > _LISTED else ""
    return f"{', '.join(parts[:_LISTED])}{more}: "
