"""Tells a run in sentences: what was asked, decided, approved and done, what it cost, how it ended.

Pure: from events, as the trail has them, to sentences that each name the event they come from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from concertmaster.audit.sentences import LEFT_OUT, TOLD, Telling
from concertmaster.contracts import AuditEvent

__all__ = ["Sentence", "tell"]

Part = Literal["asked", "looked", "reviewed", "acted", "ended", "other"]

_PARTS: dict[str, Part] = {
    "run.received": "asked",
    "intake": "asked",
    "intent": "asked",
    "retrieval": "looked",
    "plan": "looked",
    "policy": "looked",
    "tool": "looked",
    "approval": "reviewed",
    "value.endorsed": "reviewed",
    "effect": "acted",
    "policy.notice": "acted",
    "draft": "ended",
    "critic": "ended",
    "run.ended": "ended",
    "run.cancelled": "ended",
}
_LONGEST_QUOTE = 600


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One sentence; `event` is the id of the event that it tells, `part` where it belongs."""

    text: str
    event: str
    type: str
    time: str
    part: Part


def tell(events: Iterable[AuditEvent], *, asked: str | None = None) -> list[Sentence]:
    """Return a run's events as sentences, in their order.

    Args:
        events: of one run.
        asked: the message, if it is not erased; the trail itself has its length only.

    >>> event = AuditEvent(id="evt-1", time="2026-01-01T10:00:00Z", type="effect.done",
    ...     workspace="desk", run="run-1", actor="ledger", why="pay took effect",
    ...     data={"tool": "pay"})
    >>> [sentence.text for sentence in tell([event])]
    ['pay took effect.']
    """
    telling = Telling(asked=_quoted(asked) if asked is not None else None)
    told = []
    part: Part = "asked"
    for event in events:
        part = _part(event, part)
        if event.type in LEFT_OUT:
            continue
        sentence = TOLD.get(event.type, _generic)(event, telling)
        if sentence:
            told.append(
                Sentence(
                    text=_finished(sentence),
                    event=event.id,
                    type=event.type,
                    time=event.time,
                    part=part,
                )
            )
    return told


def _generic(event: AuditEvent, telling: Telling) -> str:
    """Tell an event of which no more is known than that it has a reason."""
    return f"{event.actor} recorded {event.type}: {event.why}"


def _part(event: AuditEvent, before: Part) -> Part:
    """Return the part of an event; what belongs nowhere in particular stays where it stands."""
    if event.type == "policy.decided" and event.actor == "act" and event.data.get("approval"):
        return "acted"
    family = event.type.partition(".")[0]
    return _PARTS.get(event.type) or _PARTS.get(family) or before


def _quoted(text: str) -> str:
    words = " ".join("".join(c for c in text if c.isspace() or _shown(c)).split())
    return words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE].rstrip()} …"


def _shown(character: str) -> bool:
    return unicodedata.category(character)[0] != "C"


def _finished(sentence: str) -> str:
    words = " ".join(sentence.split())
    return words if words.removesuffix("”").endswith((".", "!", "?")) else f"{words}."
