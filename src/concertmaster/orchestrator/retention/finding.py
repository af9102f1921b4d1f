"""What the rules of retention have in common: they find what is due, and remove it, by pages."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol

from concertmaster.audit import Trail
from concertmaster.contracts import AuditEvent
from concertmaster.contracts.deadline import utc
from concertmaster.contracts.retention import age_in_words

__all__ = ["ACTOR", "BATCH", "IN_DOUBT", "UNFINISHED", "WAITS", "Doomed", "Finder", "Page", "Term"]

ACTOR = "retention"
"""Who the trail says did it."""

BATCH = 2**20
"""Bytes after which a transaction takes no more, so that nobody waits long for the database."""

UNFINISHED = "a run is not over"
WAITS = "an approval waits for people"
IN_DOUBT = "whether an effect took place is unknown"


@dataclass(frozen=True, kw_only=True)
class Term:
    """The bounds of one section, at the moment of a pass.

    `due` is the moment before which things are too old, as it is stored; `most` how many there may
    be. `rules` says both as they are written, by name.
    """

    section: str
    due: str | None = None
    moment: datetime | None = None
    most: int | None = None
    rules: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, section: str, bounds: Any, now: datetime, source: str = "") -> Term:
        """Return the bounds of a section as they count now.

        Args:
            section: its name.
            bounds: what it declares.
            now: the time.
            source: where it was declared, if not in the workspace, for the rules' words.
        """
        rules, due, moment, most = {}, None, None, None
        for name, value in bounds:
            if value is None:
                continue
            text = age_in_words(value) if name == "after" else str(value)
            rules[name] = f"{section}.{name}: {text}{source}"
            if name == "after":
                # Years before the calendar begins: nothing is that old.
                moment = max(
                    now - timedelta(seconds=value), datetime(1970, 1, 1, tzinfo=now.tzinfo)
                )
                due = utc(moment)
            else:
                most = value
        return cls(section=section, due=due, moment=moment, most=most, rules=rules)

    def old(self, moment: str | None) -> bool:
        """Tell whether a stored moment is too long ago; moments are compared as texts."""
        return self.due is not None and moment is not None and _plain(moment) < _plain(self.due)

    def rule(self, *, old: bool) -> str:
        """Return the words of the bound that something is beyond."""
        wanted = [t for name, t in self.rules.items() if (name == "after") == old]
        return wanted[0] if wanted else next(iter(self.rules.values()))


def _plain(moment: str) -> str:
    """Return a moment in UTC without its zone, which is written in two ways."""
    return moment.removesuffix("Z").removesuffix("+00:00")


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """Something that is due: by what it is known, by which rule, how many rows or files it is."""

    key: Any
    rule: str
    bytes: int = 0
    number: int = 1


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is due among the next things. `after` is where to go on from, None at the end."""

    doomed: Sequence[Doomed] = ()
    kept: Counter[str] = field(default_factory=Counter)
    after: Any = None


class Finder(Protocol):
    """Finds and removes one kind of thing. Finding reads; both happen in one transaction."""

    term: Term

    def find(
        self, connection: sqlite3.Connection, after: Any, gone: Collection[str] | None = None
    ) -> Page:
        """Return what is due among the next things after a place, from the first one at None.

        Args:
            connection: for reading.
            after: where the last page ended.
            gone: None where the page is removed next; where nothing is, the threads and runs that
                count as gone already.
        """
        ...

    def remove(
        self, connection: sqlite3.Connection, doomed: Sequence[Doomed], trail: Trail
    ) -> None:
        """Remove it within the caller's transaction, and tell of it in the trail."""
        ...


def told(
    term: Term, doomed: Iterable[Doomed], trail: Trail
) -> Iterator[tuple[AuditEvent, list[Doomed]]]:
    """Yield what goes by each rule, with the event that tells of it; the caller stores it."""
    for rule, group in groupby(sorted(doomed, key=lambda d: d.rule), key=lambda d: d.rule):
        some = list(group)
        event = trail.event(
            "retention.pruned",
            why=f"removed by retention ({rule})",
            actor=ACTOR,
            what=term.section,
            rule=rule,
            number=sum(d.number for d in some),
            bytes=sum(d.bytes for d in some),
        )
        yield event, some


def full(doomed: Sequence[Doomed]) -> bool:
    """Tell whether these are enough for one transaction."""
    return sum(d.bytes for d in doomed) >= BATCH
