"""Where a value came from and who may see it. Joins only go up."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from concertmaster.contracts.base import Record

__all__ = ["Confidentiality", "Label", "Trust"]


class Trust(IntEnum):
    """How far a value's origin is trusted; the lower, the less."""

    untrusted = 0
    trusted = 1


class Confidentiality(IntEnum):
    """How far a value may travel; the higher, the less far."""

    public = 0
    internal = 1
    restricted = 2


class Label(Record):
    """The trust, confidentiality and sources of a value; the default trusts nothing."""

    trust: Trust = Trust.untrusted
    confidentiality: Confidentiality = Confidentiality.public
    sources: tuple[str, ...] = ()

    def join(self, other: Label) -> Self:
        """Return the label of a value made from both: least trust, most confidentiality."""
        return type(self)(
            trust=min(self.trust, other.trust),
            confidentiality=max(self.confidentiality, other.confidentiality),
            sources=tuple(sorted({*self.sources, *other.sources})),
        )
