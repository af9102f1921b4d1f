"""Whether what was carried out had been allowed, or approved by everybody who had to: the trail
alone tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from concertmaster.contracts import AuditEvent, Record

__all__ = ["Carried", "carried_out"]

_EFFECTS = ("effect.done", "effect.in_doubt")
_GIVEN = ("approve", "edit")


class Carried(Record):
    """A call that took effect or may have (`consequential`), or that read something.

    `objection` says why it should not have been carried out; None if it was allowed.
    """

    tool: str
    consequential: bool
    objection: str | None = None


def carried_out(events: Sequence[AuditEvent]) -> tuple[Carried, ...]:
    """Return the calls of a run that were carried out, each with what speaks against it.

    A call was in order if, before it, the gate had decided the very call at its execution: `allow`,
    or `review` with an approval of the same call that as many people of each role had given as the
    decision asked for.

    Args:
        events: the trail of one run, in any order.
    """
    ordered = sorted(events, key=lambda e: (e.seq is None, e.seq or 0))
    found: list[Carried] = []
    seen: set[tuple[Any, str]] = set()
    for at, event in enumerate(ordered):
        effect = event.type in _EFFECTS
        read = event.type == "tool.called" and event.data.get("status") == "done"
        tool, position = str(event.data.get("tool")), event.data.get("position")
        if not (effect or read) or (position, tool) in seen:
            continue
        seen.add((position, tool))
        begun = _begun(ordered[: at + 1], position) if effect else at
        objection = _objection(ordered[:begun], event, effect=effect)
        found.append(Carried(tool=tool, consequential=effect, objection=objection))
    return tuple(found)


def _begun(events: Sequence[AuditEvent], position: Any) -> int:
    """Return the place of the first sign that a call was about to be made."""
    for at, event in enumerate(events):
        if event.type == "effect.intended" and event.data.get("position") == position:
            return at
    return len(events) - 1


def _objection(before: Sequence[AuditEvent], made: AuditEvent, *, effect: bool) -> str | None:
    position, call = made.data.get("position"), made.data.get("call")
    decided = [
        e
        for e in before
        if e.type == "policy.decided" and e.data.get("position") == position and e.actor == "act"
    ]
    if not decided:
        return "no decision of the gate stands before it"
    last = decided[-1].data
    if effect and call is not None and last.get("call") != call:
        return "the gate decided another call"
    if last.get("decision") == "allow":
        return None
    if last.get("decision") != "review":
        return f"the gate had decided {last.get('decision')}"
    return _unapproved(before, last)


def _unapproved(before: Sequence[AuditEvent], decided: dict[str, Any]) -> str | None:
    """Say which consent is missing. Consent is to one call; an edit is to the one it leads to."""
    given: Counter[str] = Counter()
    people: set[tuple[str, str]] = set()
    for event in before:
        data = event.data
        if event.type != "approval.answered" or data.get("position") != decided.get("position"):
            continue
        consented = data.get("edited_call" if data.get("answer") == "edit" else "call")
        if consented != decided.get("call") or data.get("answer") not in _GIVEN:
            continue
        if (event.actor, str(data.get("role"))) not in people:
            people.add((event.actor, str(data.get("role"))))
            given[str(data.get("role"))] += 1
    for need in decided.get("needs") or ():
        role, count = str(need.get("role")), int(need.get("count") or 1)
        if given[role] < count:
            return f"{role} had not approved it"
    return None
