"""A passage as the index stores it, and who may read it when."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from concertmaster.contracts import Principal, Readers

__all__ = ["PASSAGES", "Passage", "Rights", "State"]


class State:
    """How far the vector store has followed a passage."""

    TO_EMBED, TO_UPDATE, STORED = 0, 1, 2


PASSAGES = (
    "SELECT p.id, p.document, d.version, d.title, p.section, p.start, p.stop,"
    " substr(d.text, p.start + 1, p.stop - p.start) AS text, d.readers, d.owner,"
    " d.valid_from, d.valid_until, p.state, coalesce(l.place, '') AS place"
    " FROM passages p JOIN documents d ON d.id = p.document"
    " LEFT JOIN places l ON l.passage = p.id"
)
"""Selects the rows of which `Passage.of` makes passages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Who may read a document version, and from which day to which it is valid."""

    version: str
    readers: Readers
    valid_from: int
    valid_until: int

    @classmethod
    def of(cls, row: sqlite3.Row) -> Rights:
        """Read a row of the documents table."""
        return Rights(
            version=row["version"],
            readers=tuple(json.loads(row["readers"])),
            valid_from=row["valid_from"],
            valid_until=row["valid_until"],
        )

    def admit(self, principal: Principal, today: int) -> bool:
        """Tell whether the principal may read it today."""
        return self.valid_from <= today <= self.valid_until and principal.may_read(self.readers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage(Rights):
    """A passage with what it inherits from its document."""

    id: str
    document: str
    title: str
    section: str
    start: int
    end: int
    text: str
    owner: str | None
    embedded: bool
    place: str = ""

    @classmethod
    def of(cls, row: sqlite3.Row) -> Passage:
        """Read a row of `PASSAGES`."""
        return Passage(
            id=row["id"],
            document=row["document"],
            version=row["version"],
            title=row["title"],
            section=row["section"],
            start=row["start"],
            end=row["stop"],
            text=row["text"],
            readers=tuple(json.loads(row["readers"])),
            owner=row["owner"],
            valid_from=row["valid_from"],
            valid_until=row["valid_until"],
            embedded=row["state"] > State.TO_EMBED,
            place=row["place"],
        )
