"""Where in its graph a run stands, read from its trail. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.contracts import AuditEvent, RunRecord

__all__ = ["place_of", "visited"]

_ENDS = {"answered": "finish", "escalated": "escalate", "refused": "refuse"}
_NODES = {
    "run.received": "intake",
    "intake.labelled": "supervisor",
    "plan.proposed": "authorize",
    "approval.requested": "human_review",
    "approval.answered": "act",
    "effect.intended": "act",
}


def place_of(record: RunRecord, events: Sequence[AuditEvent]) -> str:
    """Return the node at which a run is, or has ended; empty if it is at none."""
    if record.status in _ENDS:
        return _ENDS[record.status]
    if record.status in ("failed", "cancelled", "queued"):
        return ""
    if record.status == "awaiting_review":
        return "human_review"
    for event in reversed(events):
        if event.type in ("route.hop", "route.ask"):
            return str(event.data.get("to", ""))
        if event.type in _NODES:
            return _NODES[event.type]
    return ""


def visited(events: Sequence[AuditEvent]) -> frozenset[str]:
    """Return the nodes through which a run has come."""
    found = {"__start__", "intake", "supervisor"} if events else set()
    for event in events:
        if event.type in ("route.hop", "route.ask"):
            found.add(str(event.data.get("to", "")))
        elif event.type == "policy.decided":
            found.add("act" if event.actor == "act" else "authorize")
        elif event.type == "approval.requested":
            found.add("human_review")
        elif event.type == "run.ended":
            found.update({_ENDS.get(str(event.data.get("status")), ""), "__end__"})
    return frozenset(found - {""})
