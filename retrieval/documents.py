"""A document as the index takes it, and what is said of one that it cannot take."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date

from concertmaster.contracts import Readers
from concertmaster.retrieval.places import Mark

__all__ = ["Document", "Remark", "Skipped"]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text with its readers and owner. No readers means that nobody may read it.

    `version` identifies title, text, edition and marks; a change of readers, owner or validity
    makes no new version. `edition` is what its owner calls this version. `marks` are the places in
    the text, such as pages, in order. `valid_from` and `valid_until` are inclusive days in UTC;
    null is no bound. `source` says where it came from, `notes` what was left out of it or guessed;
    both are for people.

    >>> a = Document(id="fees", title="Fees", text="A card is free.", readers=("everyone",))
    >>> a.version.startswith("sha256:")
    True
    """

    id: str
    title: str
    text: str
    readers: Readers
    owner: str | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    source: str = ""
    edition: str | None = None
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)
    version: str = field(init=False)

    def __post_init__(self) -> None:
        told = f"{self.title}\0{self.text}"
        if self.edition or self.marks:
            places = " ".join(f"{m.at}:{m.kind}:{m.number}" for m in self.marks)
            told = f"{told}\0{self.edition or ''}\0{places}"
        content = told.encode(errors="surrogatepass")
        object.__setattr__(self, "version", f"sha256:{hashlib.sha256(content).hexdigest()}")


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file, or a line of one (`file:line`), that was left out, and why."""

    source: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A document that was taken in, and what was left out of it or guessed."""

    source: str
    what: str
