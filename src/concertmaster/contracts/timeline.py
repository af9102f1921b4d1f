"""Events of the trail below each other, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from concertmaster.contracts.html import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    MUTED,
    RED,
    VIOLET,
    rows,
    short,
    visible,
)

if TYPE_CHECKING:
    from concertmaster.contracts.events import AuditEvent

__all__ = ["timeline"]

_DOTS = {"effect": GREEN, "approval": AMBER, "policy": VIOLET, "run": BLUE}
_BAD = ("failed", "refused", "in_doubt", "cancelled")
_MOST = 500


def timeline(events: Sequence[AuditEvent]) -> str:
    """Return one row an event: when, counted from the first, what, by whom and why."""
    return rows(
        (
            (
                f"<span style='{MUTED}'>{_after(events[0].time, e.time)}</span>",
                f"{_dot(e.type)}&nbsp;{escape(e.type)}",
                visible(e.actor),
                f"{_about(e)}{short(e.why)}",
            )
            for e in events
        ),
        most=_MOST,
    )


def _about(event: AuditEvent) -> str:
    """Return what an event is about, in front of its reason: a step, or a tool and its fate."""
    if event.type == "route.hop":
        words = ["→", event.data.get("to")]
    elif event.type in ("plan.proposed", "policy.decided"):
        words = [event.data.get("tool"), event.data.get("decision")]
    else:
        words = []
    told = " ".join(str(word) for word in words if word)
    return f"<b>{visible(told)}</b>&ensp;" if told else ""


def _dot(kind: str) -> str:
    family, _, what = kind.partition(".")
    colour = RED if what in _BAD else _DOTS.get(family, GREY)
    return f"<span style='color:{colour}'>●</span>"


def _after(start: str, time: str) -> str:
    """Return how long after the start something happened, in the unit that suits."""
    seconds = (datetime.fromisoformat(time) - datetime.fromisoformat(start)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f}&nbsp;{unit}"
    return f"{seconds * 1000:.0f}&nbsp;ms"
