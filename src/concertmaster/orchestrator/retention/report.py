"""What a pass of retention took away, or would take away, and what it left although it is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from concertmaster.contracts import Record

__all__ = ["Kept", "PruneReport", "Pruned"]


class Kept(Record):
    """How many things were due and stayed, and why."""

    number: int
    why: str


class Pruned(Record):
    """One kind of thing. `bytes` are those of its rows and files, without what stores them.

    `what` is the section of `retention:`, `rules` its bounds as they are written.
    """

    what: str
    rules: tuple[str, ...]
    number: int = 0
    bytes: int = 0
    kept: tuple[Kept, ...] = ()


class PruneReport(Record):
    """A whole pass.

    `before` and `after` are the bytes of the database's files and the large results on the disk.
    `finished` is false where the pass was stopped; the next one goes on from there.
    """

    dry_run: bool
    at: str
    pruned: tuple[Pruned, ...] = ()
    before: int = 0
    after: int = 0
    finished: bool = True

    @property
    def number(self) -> int:
        """How many things went, or would go."""
        return sum(part.number for part in self.pruned)

    @property
    def freed(self) -> int:
        """How many bytes the disk got back."""
        return max(0, self.before - self.after)


def kept(reasons: Mapping[str, int] | Iterable[tuple[str, int]]) -> tuple[Kept, ...]:
    """Return reasons with how often each was met, the most frequent first."""
    listed = sorted(dict(reasons).items(), key=lambda known: (-known[1], known[0]))
    return tuple(Kept(number=number, why=why) for why, number in listed if number)
