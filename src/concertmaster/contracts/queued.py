"""A further request of the same message, named to its author and taken up when they agree."""

from __future__ import annotations

from concertmaster.contracts.base import Record

__all__ = ["Queued"]


class Queued(Record):
    """The intent that was read, and the author's own words that it was read from."""

    intent: str
    text: str
