"""How a run and a desk look in a notebook. The bricks are those of `contracts.html`."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from concertmaster.contracts import AuditEvent, Citation, Evidence
from concertmaster.contracts.html import MUTED, badge, card, folded, rows, short, visible
from concertmaster.contracts.outcome import colour_of
from concertmaster.contracts.timeline import timeline

if TYPE_CHECKING:
    from concertmaster.orchestrator.desk import Desk
    from concertmaster.orchestrator.run import Run

__all__ = ["desk_html", "run_html", "runs_html"]

_MOST_RUNS = 50


def run_html(run: Run) -> str:
    """Return a run as a card: outcome, sources, pending approvals, evidence, timeline."""
    parts = [
        f"<div>{badge(run.status, colour_of(run.status))}&ensp;<span style='{MUTED}'>"
        f"{visible(run.principal)} on {visible(run.thread)}, {escape(run.id)}</span></div>",
        f"<p style='margin:8px 0 4px;{MUTED}'>“{short(run.text)}”</p>",
    ]
    if run.outcome.text:
        text = visible(run.outcome.text)
        parts.append(f"<p style='margin:4px 0 8px;white-space:pre-wrap'>{text}</p>")
    if run.outcome.cause:
        owner = f"{visible(run.outcome.owner)}: " if run.outcome.owner else ""
        cause = f"{owner}{short(run.outcome.cause)}"
        parts.append(f"<p style='margin:4px 0 8px;{MUTED}'><i>{cause}</i></p>")
    sources = _sources(run.outcome.citations, run.evidence)
    parts += [sources, *(a._repr_html_() for a in run.pending)]
    return card(*parts, _evidence(run.evidence), _timeline(run.events))


def runs_html(runs: list[Run]) -> str:
    """Return runs below each other: how each ended, what was asked and answered."""
    told = rows(
        (
            (
                f"<span style='white-space:nowrap'>{badge(run.status, colour_of(run.status))}"
                "</span>",
                f"<span style='{MUTED}'>{visible(run.principal)}<br>{escape(run.id)}</span>",
                f"“{short(run.text, 200)}”<br>{short(run.outcome.text, 200)}",
            )
            for run in runs
        ),
        most=_MOST_RUNS,
    )
    return card(told)


def desk_html(desk: Desk) -> str:
    """Return a desk as a card: what it is for, what it can do, whom it knows to ask."""
    services = desk.services
    flow = services.spec.workflow
    models = services.models.chats
    told = [
        ("owner", visible(flow.owner or "")),
        ("home", f"<code>{visible(str(desk.home.path))}</code>"),
        ("steps", ", ".join(visible(step.id) for step in flow.steps)),
        ("tools", ", ".join(visible(name) for name in services.toolbox.names)),
        ("models", ", ".join(visible(chat.name) for chat in models) or "none"),
        ("knowledge", "yes" if desk.library else "none"),
    ]
    listed = rows((f"<span style='{MUTED}'>{name}</span>", value) for name, value in told)
    return card(f"<b>{visible(desk.name)}</b>&ensp;", short(flow.description), listed)


def _sources(citations: Iterable[Citation], evidence: Iterable[Evidence]) -> str:
    cited = {c.number: c for c in citations}
    sections = {e.number: f", {visible(e.where)}" for e in evidence if e.where}
    listed = "<br>".join(
        f"[{number}] {visible(c.title)}{sections.get(number, '')}"
        f" <code>{visible(c.document)}</code>"
        for number, c in sorted(cited.items())
    )
    return f"<p style='margin:4px 0 8px;font-size:13px'>{listed}</p>" if listed else ""


def _evidence(evidence: tuple[Evidence, ...]) -> str:
    if not evidence:
        return ""
    listed = ((f"[{e.number}]", f"<b>{visible(e.title)}</b><br>{short(e.text)}") for e in evidence)
    return folded(f"Evidence: {len(evidence)} passages", rows(listed))


def _timeline(events: tuple[AuditEvent, ...]) -> str:
    return folded(f"Timeline: {len(events)} events", timeline(events)) if events else ""
