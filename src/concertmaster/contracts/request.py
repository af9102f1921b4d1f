"""What came in: one message of one principal on one thread."""

from __future__ import annotations

from concertmaster.contracts.base import Record
from concertmaster.contracts.labels import Label

__all__ = ["Request"]


class Request(Record):
    """One message, cleaned and labelled at intake.

    `resolved` is the text that classifier and retriever read: the message itself, or, when it
    only makes sense as a follow-up, the message with what the thread remembers.
    """

    text: str
    resolved: str
    principal: str
    received: str
    label: Label = Label()
    follows: str | None = None
