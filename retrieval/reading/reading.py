"""What a reader makes of a file's bytes: a text with the places in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from concertmaster.contracts import plain_text
from concertmaster.retrieval.front_matter import Head
from concertmaster.retrieval.places import Mark

__all__ = ["LONGEST_TEXT", "Part", "Reading", "Unreadable"]

LONGEST_TEXT = 16 * 2**20
"""How many characters one document may have."""


class Unreadable(Exception):
    """A file cannot be read as a document; `why` goes on the sentence "it …".

    It repeats nothing of the file's content.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of text, in Markdown as far as it has headings, items or code.

    Args:
        text: the piece.
        kind: what it is a part of: `page`, `row`, `paragraph`, `table`, or another noun.
        number: which one of that kind, from 1.
        close: it follows on the next line; otherwise a blank line is between.
    """

    text: str
    kind: str = ""
    number: int = 0
    close: bool = False


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A text that every store can hold, with its marks.

    `title` is what the file calls itself, `head` what else it says of itself, `notes` what was
    left out or guessed, for the report.

    >>> read = Reading.of([Part("One.", "page", 1), Part("Two.", "page", 2)])
    >>> read.text, [mark.at for mark in read.marks]
    ('One.\\n\\nTwo.', [0, 6])
    """

    text: str
    marks: tuple[Mark, ...] = ()
    title: str | None = None
    head: Head = field(default_factory=Head)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        parts: Iterable[Part],
        *,
        title: str | None = None,
        head: Head | None = None,
        notes: Iterable[str] = (),
    ) -> Self:
        """Join parts; each is cleaned and trimmed, and one that is empty then is left out.

        Raises:
            Unreadable: there is more text than a document may have.
        """
        texts: list[str] = []
        marks: list[Mark] = []
        length = 0
        for part in parts:
            text = plain_text(part.text).strip()
            if not text:
                continue
            between = "" if not texts else "\n" if part.close else "\n\n"
            length += len(between)
            if part.kind and (not marks or (part.kind, part.number) != _of(marks[-1])):
                marks.append(Mark(length, part.kind, part.number))
            length += len(text)
            if length > LONGEST_TEXT:
                raise Unreadable(f"has more than {LONGEST_TEXT:,} characters of text")
            texts += (between, text)
        named = " ".join(plain_text(title).split()) if title else None
        return cls(
            text="".join(texts),
            marks=tuple(marks),
            title=named or None,
            head=head or Head(),
            notes=tuple(notes),
        )


def _of(mark: Mark) -> tuple[str, int]:
    return mark.kind, mark.number
