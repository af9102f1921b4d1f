"""How a run looks in a notebook: plain HTML, offline, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from concertmaster.contracts import AuditEvent, Evidence

if TYPE_CHECKING:
    from concertmaster.orchestrator.run import Run

__all__ = ["run_html"]

_COLOURS = {
    "answered": "#1a7f37",
    "awaiting_review": "#9a6700",
    "queued": "#57606a",
    "running": "#0969da",
    "escalated": "#8250df",
    "refused": "#bc4c00",
    "failed": "#cf222e",
    "cancelled": "#57606a",
}
_STYLE = (
    "font-family:system-ui,sans-serif;font-size:13px;line-height:1.45;max-width:860px;"
    "border:1px solid #d0d7de;border-radius:8px;padding:12px 14px;background:#fff;color:#1f2328"
)
_CELL = "style='text-align:left;padding:2px 12px 2px 0;vertical-align:top'"
_SHOWN = 400


def run_html(run: Run) -> str:
    """Return a run as a card: outcome, pending approvals, evidence, timeline."""
    parts = [
        f"<div style='{_STYLE}'>",
        f"<div>{_badge(run.status)} <code>{escape(run.id)}</code> on thread"
        f" <code>{escape(run.thread)}</code> for <b>{escape(run.principal)}</b></div>",
        f"<p style='color:#57606a;margin:8px 0 2px'>{_short(run.text)}</p>",
        f"<p style='margin:2px 0 8px'>{escape(run.outcome.text)}</p>",
    ]
    if run.outcome.cause:
        parts.append(f"<p style='margin:2px 0 8px'><i>{_short(run.outcome.cause)}</i></p>")
    parts += [a._repr_html_() for a in run.pending]
    parts += [_evidence(run.evidence), _timeline(run.events), "</div>"]
    return "".join(parts)


def _badge(status: str) -> str:
    colour = _COLOURS.get(status, "#57606a")
    return (
        f"<span style='background:{colour};color:#fff;border-radius:10px;padding:1px 9px'>"
        f"{escape(status.replace('_', ' '))}</span>"
    )


def _evidence(evidence: Iterable[Evidence]) -> str:
    rows = "".join(
        f"<tr><td {_CELL}>[{e.number}]</td><td {_CELL}>{escape(e.title)}</td>"
        f"<td {_CELL}>{_short(e.text)}</td></tr>"
        for e in evidence
    )
    return _folded("Evidence", f"<table>{rows}</table>") if rows else ""


def _timeline(events: Iterable[AuditEvent]) -> str:
    rows = "".join(
        f"<tr><td {_CELL}><code>{escape(e.time[11:23])}</code></td>"
        f"<td {_CELL}>{escape(e.type)}</td><td {_CELL}>{escape(e.actor)}</td>"
        f"<td {_CELL}>{_short(e.why)}</td></tr>"
        for e in events
    )
    return _folded("Timeline", f"<table>{rows}</table>") if rows else ""


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>{body}</details>"


def _short(text: str) -> str:
    return escape(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
