"""What was found: passages that the principal may read, with where they stand."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.contracts import html
from concertmaster.contracts.base import Record
from concertmaster.contracts.labels import Label
from concertmaster.contracts.principal import Readers

__all__ = ["Citation", "Evidence", "Retrieved"]


class Evidence(Record):
    """One passage of one document version.

    `number` is what answers cite (`[1]`). `section` is the path of headings, `place` where it
    stands for people (`p. 3`, `rows 4–9`); both may be empty. `start` and `end` are character
    offsets into the document's text. `score` orders passages of one retrieval; higher is better.
    """

    number: int
    document: str
    version: str
    title: str
    section: str = ""
    place: str = ""
    text: str
    start: int
    end: int
    score: float
    owner: str | None = None
    readers: Readers
    label: Label = Label()

    @property
    def where(self) -> str:
        """Where a person finds the passage: `Cards > Limits, p. 3`; may be empty."""
        path = self.section.split(" > ") if self.section else []
        if path and path[0].casefold() == self.title.casefold():
            path = path[1:]
        return ", ".join(filter(None, (" > ".join(path), self.place)))

    def __repr__(self) -> str:
        return f"<Evidence [{self.number}] {self.document!r} {self.start}-{self.end}>"

    def _repr_html_(self) -> str:
        return self._list_html_([self])

    @staticmethod
    def _list_html_(passages: Sequence[Evidence]) -> str:
        told = (
            (
                f"[{e.number}]",
                f"<b>{html.visible(e.title)}</b>{', ' if e.where else ''}{html.visible(e.where)}"
                f" <code>{html.visible(e.document)}</code><br>{html.short(e.text)}",
                f"<span style='{html.MUTED}'>{e.score:.3g}</span>",
            )
            for e in passages
        )
        return html.card(html.rows(told))


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
    """A sentence's claim on a passage: evidence number, document and character offsets in it.

    `place` is where a person finds it: the passage's section and place, as far as it has them.
    """

    number: int
    document: str
    version: str
    title: str
    place: str = ""
    start: int
    end: int
