"""Where the values of a proposed call come from, and whether anybody asked for its effect."""

from __future__ import annotations

from typing import Literal

from concertmaster.contracts.base import Record

__all__ = ["Origin", "Provenance", "ValueOrigin"]

Origin = Literal["principal", "trusted", "untrusted", "composed"]
"""The best place in which a value stands: the principal's own words, a trusted source, only
untrusted output, or nowhere (a model composed it)."""

_GOOD: tuple[Origin, ...] = ("principal", "trusted")


class ValueOrigin(Record):
    """One value of a call and where it stands; the value itself is not repeated here.

    `path` leads from the argument to the value: `recipients[0]`. `embedded` tells that it is an
    address, link or account number inside of a longer text. `sources` are the ids of the places.
    """

    argument: str
    path: str
    origin: Origin
    sources: tuple[str, ...] = ()
    embedded: bool = False


class Provenance(Record):
    """The origins of all values of a call; `asked` with its reason in words.

    A value that equals the argument's declared default, and null, have no origin: nobody chose
    them.
    """

    values: tuple[ValueOrigin, ...] = ()
    asked: bool = False
    asked_why: str = ""

    def arguments(self, *origins: Origin) -> frozenset[str]:
        """Return the arguments of which some value has one of these origins."""
        return frozenset(v.argument for v in self.values if v.origin in origins)

    def unproven(self, *, embedded: bool | None = None) -> frozenset[str]:
        """Return the arguments of which some value is neither the principal's nor trusted.

        `embedded` restricts this to values inside of longer texts (True), or to whole ones.
        """
        return frozenset(
            v.argument
            for v in self.values
            if v.origin not in _GOOD and (embedded is None or v.embedded is embedded)
        )
