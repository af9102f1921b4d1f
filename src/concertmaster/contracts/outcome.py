"""How a run ended, or what it waits for. Every run ends in one of these."""

from __future__ import annotations

from typing import Literal

from concertmaster.contracts.base import Record
from concertmaster.contracts.evidence import Citation

__all__ = ["FINAL", "Outcome", "Status"]

Status = Literal[
    "queued",
    "running",
    "awaiting_review",
    "answered",
    "escalated",
    "refused",
    "failed",
    "cancelled",
]

FINAL: frozenset[str] = frozenset({"answered", "escalated", "refused", "failed", "cancelled"})


class Outcome(Record):
    """What the principal is told, and why the run ended so.

    `owner` is set for `escalated`; `cause` for `escalated`, `refused` and `failed`.
    """

    status: Status
    text: str = ""
    citations: tuple[Citation, ...] = ()
    owner: str | None = None
    cause: str | None = None
    asks: str | None = None
