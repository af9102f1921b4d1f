"""How a run looks in a notebook: plain HTML, offline, everything escaped.

Colours are those of the page around it, tinted, so that light and dark notebooks both read well;
where styles are taken away, as on some hosts, the order of things still tells the story.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from concertmaster.contracts import AuditEvent, Citation, Evidence

if TYPE_CHECKING:
    from concertmaster.orchestrator.run import Run

__all__ = ["run_html"]

_GREEN, _AMBER, _RED, _BLUE = "#1a7f37", "#9a6700", "#cf222e", "#0969da"
_VIOLET, _ORANGE, _GREY = "#8250df", "#bc4c00", "#6e7781"
_BADGES = {
    "answered": _GREEN,
    "awaiting_review": _AMBER,
    "running": _BLUE,
    "escalated": _VIOLET,
    "refused": _ORANGE,
    "failed": _RED,
}
_DOTS = {"effect": _GREEN, "approval": _AMBER, "policy": _VIOLET, "run": _BLUE}
_BAD = ("failed", "refused", "in_doubt", "cancelled")
_CARD = (
    "font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:14px;line-height:1.5;"
    "max-width:840px;border:1px solid rgba(128,128,128,.4);border-radius:10px;padding:12px 16px"
)
_MUTED = "opacity:.7"
_CELL = "text-align:left;vertical-align:top;padding:2px 14px 2px 0;white-space:normal"
_SHOWN = 400


def run_html(run: Run) -> str:
    """Return a run as a card: outcome, sources, pending approvals, evidence, timeline."""
    parts = [
        f'<div style="{_CARD}">',
        f"<div>{_badge(run.status)}&ensp;<span style='{_MUTED}'>{escape(run.principal)} on"
        f" {escape(run.thread)}, {escape(run.id)}</span></div>",
        f"<p style='margin:8px 0 4px;{_MUTED}'>“{_short(run.text)}”</p>",
    ]
    if run.outcome.text:
        text = escape(run.outcome.text)
        parts.append(f"<p style='margin:4px 0 8px;white-space:pre-wrap'>{text}</p>")
    if run.outcome.cause:
        owner = f"{escape(run.outcome.owner)}: " if run.outcome.owner else ""
        cause = f"{owner}{_short(run.outcome.cause)}"
        parts.append(f"<p style='margin:4px 0 8px;{_MUTED}'><i>{cause}</i></p>")
    sources = _sources(run.outcome.citations, run.evidence)
    parts += [sources, *(a._repr_html_() for a in run.pending)]
    parts += [_evidence(run.evidence), _timeline(run.events), "</div>"]
    return "".join(parts)


def _badge(status: str) -> str:
    colour = _BADGES.get(status, _GREY)
    return (
        f"<b style='background:{colour};color:#fff;border-radius:10px;padding:2px 10px;"
        f"font-size:12px'>{escape(status.replace('_', ' '))}</b>"
    )


def _sources(citations: Iterable[Citation], evidence: Iterable[Evidence]) -> str:
    cited = {c.number: c for c in citations}
    sections = {e.number: f", {escape(e.where)}" for e in evidence if e.where}
    listed = "<br>".join(
        f"[{number}] {escape(c.title)}{sections.get(number, '')} <code>{escape(c.document)}</code>"
        for number, c in sorted(cited.items())
    )
    return f"<p style='margin:4px 0 8px;font-size:13px'>{listed}</p>" if listed else ""


def _evidence(evidence: Iterable[Evidence]) -> str:
    rows = [(f"[{e.number}]", f"<b>{escape(e.title)}</b><br>{_short(e.text)}") for e in evidence]
    return _folded(f"Evidence: {len(rows)} passages", rows) if rows else ""


def _timeline(events: Iterable[AuditEvent]) -> str:
    listed = list(events)
    rows = [
        (
            f"<span style='{_MUTED}'>{_after(listed[0].time, e.time)}</span>",
            f"{_dot(e.type)}&nbsp;{escape(e.type)}",
            escape(e.actor),
            f"{_about(e)}{_short(e.why)}",
        )
        for e in listed
    ]
    return _folded(f"Timeline: {len(rows)} events", rows) if rows else ""


def _about(event: AuditEvent) -> str:
    """Return what an event is about, in front of its reason: a step, or a tool and its fate."""
    if event.type == "route.hop":
        words = ["→", event.data.get("to")]
    elif event.type in ("plan.proposed", "policy.decided"):
        words = [event.data.get("tool"), event.data.get("decision")]
    else:
        words = []
    told = " ".join(str(word) for word in words if word)
    return f"<b>{escape(told)}</b>&ensp;" if told else ""


def _dot(kind: str) -> str:
    family, _, what = kind.partition(".")
    colour = _RED if what in _BAD else _DOTS.get(family, _GREY)
    return f"<span style='color:{colour}'>●</span>"


def _after(start: str, time: str) -> str:
    """Return how long after the start something happened, in the unit that suits."""
    seconds = (datetime.fromisoformat(time) - datetime.fromisoformat(start)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f}&nbsp;{unit}"
    return f"{seconds * 1000:.0f}&nbsp;ms"


def _folded(title: str, rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join(
        "<tr>" + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f"<details style='margin-top:4px'><summary style='cursor:pointer'>{title}</summary>"
        f"<table style='font-size:12px;margin:6px 0'>{body}</table></details>"
    )


def _short(text: str) -> str:
    return escape(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
