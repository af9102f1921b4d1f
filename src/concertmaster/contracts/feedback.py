"""What people thought of a run: a thumb, words, and what would have been right."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from concertmaster.contracts.base import Record

__all__ = ["Feedback", "FeedbackStatus", "Thumb"]

Thumb = Literal["up", "down"]
FeedbackStatus = Literal["open", "accepted", "skipped"]


class Feedback(Record):
    """One person's judgement of one run; it changes nothing until somebody else accepts it.

    `question` is the run's message. `intent`, `answer` and `document` are corrections. Texts are
    stored without personal data. `role` says as what the person gave it.
    """

    id: str
    run: str
    thread: str
    principal: str
    role: Literal["participant", "reviewer"]
    kind: Literal["thumb", "correction"]
    value: Thumb
    question: str
    comment: str = ""
    intent: str | None = None
    answer: str | None = None
    document: str | None = None
    created: str
    status: FeedbackStatus = "open"
    reviewer: str | None = None
    added: tuple[str, ...] = Field(default=())
