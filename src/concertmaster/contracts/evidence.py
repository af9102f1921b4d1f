"""What was found: passages that the principal may read, with where they stand."""

from __future__ import annotations

from concertmaster.contracts.base import Record
from concertmaster.contracts.labels import Label
from concertmaster.contracts.principal import Readers

__all__ = ["Citation", "Evidence", "Retrieved"]


class Evidence(Record):
    """One passage of one document version.

    `number` is what answers cite (`[1]`). `start` and `end` are character offsets into the
    document's text. `score` orders passages of one retrieval; higher is better.
    """

    number: int
    document: str
    version: str
    title: str
    section: str = ""
    text: str
    start: int
    end: int
    score: float
    owner: str | None = None
    readers: Readers
    label: Label = Label()


class Retrieved(Record):
    """The result of one retrieval: passages, or the reason and the owner to ask.

    `documents` are the ids of the first distinct documents in order of rank, at most ten, of
    which `evidence` holds what fits the context budget. `sufficient` tells whether the passages
    can carry an answer.
    """

    query: str
    evidence: tuple[Evidence, ...] = ()
    documents: tuple[str, ...] = ()
    sufficient: bool = False
    why: str = ""
    owner: str | None = None


class Citation(Record):
    """A sentence's claim on a passage: evidence number, document and character offsets in it."""

    number: int
    document: str
    version: str
    title: str
    start: int
    end: int
