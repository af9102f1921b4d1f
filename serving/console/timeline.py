"""What happened in a run, one line each with its reason in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from concertmaster.audit.telling import tell
from concertmaster.contracts import AuditEvent, RunRecord
from concertmaster.serving.console.moments import seconds_between, span

__all__ = ["Line", "lines"]

Tone = Literal["plain", "good", "bad", "wait", "rule"]

_BAD = frozenset(
    {
        "tool.refused",
        "effect.failed",
        "effect.in_doubt",
        "step.failed",
        "model.failed",
        "budget.reached",
        "approval.refused",
        "approval.overdue",
        "run.cancelled",
    }
)
_FAMILIES: dict[str, Tone] = {"approval": "wait", "policy": "rule", "effect": "good"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One event: how long after the beginning, what, and in which tone."""

    id: str
    after: str
    time: str
    type: str
    actor: str
    text: str
    tone: Tone


def lines(events: Iterable[AuditEvent], record: RunRecord) -> list[Line]:
    """Return the story of a run, each line with the event that it tells."""
    listed = list(events)
    by_id = {event.id: event for event in listed}
    told = []
    for sentence in tell(listed, asked=record.text):
        event = by_id[sentence.event]
        told.append(
            Line(
                id=event.id,
                after=f"+{span(max(0.0, seconds_between(listed[0].time, event.time)))}",
                time=event.time,
                type=event.type,
                actor=event.actor,
                text=sentence.text,
                tone=_tone(event),
            )
        )
    return told


def _tone(event: AuditEvent) -> Tone:
    if event.type in _BAD:
        return "bad"
    if event.type == "run.ended":
        return "good" if event.data.get("status") == "answered" else "bad"
    if event.type == "approval.answered":
        return "good" if event.data.get("answer") in ("approve", "edit") else "bad"
    return _FAMILIES.get(event.type.partition(".")[0], "plain")
