"""Traces each value of a call to the places in which it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from concertmaster.contracts import Provenance, ToolShape
from concertmaster.contracts.provenance import Origin, ValueOrigin
from concertmaster.policies.provenance.asking import asked
from concertmaster.policies.provenance.sources import Sources, Standing
from concertmaster.policies.provenance.values import Piece, pieces
from concertmaster.policies.provenance.wanted import Wanted

__all__ = ["trace"]

_STANDINGS: tuple[Standing, ...] = ("principal", "trusted", "untrusted")
_RANK: dict[Origin, int] = {"principal": 0, "trusted": 1, "untrusted": 2, "composed": 3}
_Place = tuple[Origin, frozenset[str]]
_NOWHERE: _Place = ("composed", frozenset())


def trace(
    shape: ToolShape,
    arguments: Mapping[str, Any],
    sources: Sources,
    *,
    offered: frozenset[str] = frozenset(),
) -> Provenance:
    """Return where each value of a call stands, and whether anybody asked for the effect.

    Args:
        shape: the tool.
        arguments: plain JSON, as the tool would get them.
        sources: the places to look at.
        offered: the tools that the principal's intent declares.

    >>> from concertmaster.policies.provenance import Source
    >>> pay = ToolShape(name="pay", effect="irreversible", asks=("pay",))
    >>> said = Sources(Source("message-1", "principal", "Please pay Ana 20 euros"))
    >>> found = trace(pay, {"to": "Ana", "amount": 20, "memo": "Hi"}, said)
    >>> [(value.path, value.origin) for value in found.values]
    [('amount', 'principal'), ('memo', 'composed'), ('to', 'principal')]
    >>> found.asked
    True
    """
    is_asked, why = asked(shape, sources, offered)
    return Provenance(
        values=tuple(_origins(shape, arguments, sources)), asked=is_asked, asked_why=why
    )


def _origins(
    shape: ToolShape, arguments: Mapping[str, Any], sources: Sources
) -> Iterator[ValueOrigin]:
    for piece in pieces(shape, arguments):
        origin, ids = _place(piece, sources)
        yield ValueOrigin(
            argument=piece.argument,
            path=piece.path,
            origin=origin,
            sources=tuple(sorted(ids)),
            embedded=piece.embedded,
        )


def _place(piece: Piece, sources: Sources) -> _Place:
    best = _best(_way(way, sources) for way in piece.ways) if piece.ways else _NOWHERE
    if best[0] != "principal" and piece.words:
        ids = frozenset(
            source.id
            for source in sources.of("principal")
            if any(map(piece.words.issubset, source.index.bags))
        )
        if ids:
            return "principal", ids
    return best


def _way(way: Iterable[Wanted], sources: Sources) -> _Place:
    """Return the worst of the places of a way's parts: a date and its time, for instance."""
    origin: Origin = "principal"
    ids: frozenset[str] = frozenset()
    for wanted in way:
        place, where = _stands(wanted, sources)
        if place == "composed":
            return _NOWHERE
        origin = max(origin, place, key=_RANK.__getitem__)
        ids |= where
    return origin, ids


def _best(places: Iterable[_Place]) -> _Place:
    best = _NOWHERE
    for place in places:
        if _RANK[place[0]] < _RANK[best[0]]:
            best = place
        elif place[0] == best[0]:
            best = (best[0], best[1] | place[1])
    return best


def _stands(wanted: Wanted, sources: Sources) -> _Place:
    for standing in _STANDINGS:
        ids = [s.id for s in sources.of(standing) if wanted.stands_in(s.index)]
        if ids:
            return standing, frozenset(ids)
    return _NOWHERE
