"""A document as the index takes it, and what is said of one that it cannot take."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date

from concertmaster.contracts import Readers

__all__ = ["Document", "Skipped"]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text with its readers and owner. No readers means that nobody may read it.

    `version` identifies title and text; a change of readers, owner or validity makes no new
    version. `valid_from` and `valid_until` are inclusive days in UTC; null is no bound. `source`
    says where it came from, for people.

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
    version: str = field(init=False)

    def __post_init__(self) -> None:
        content = f"{self.title}\0{self.text}".encode(errors="surrogatepass")
        object.__setattr__(self, "version", f"sha256:{hashlib.sha256(content).hexdigest()}")


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file, or a line of one (`file:line`), that was left out, and why."""

    source: str
    why: str
