"""How a run ended, or what it waits for. Every run ends in one of these."""

from __future__ import annotations

from typing import Literal

from concertmaster.contracts import html
from concertmaster.contracts.base import Record
from concertmaster.contracts.evidence import Citation

__all__ = ["FINAL", "Outcome", "Status", "colour_of"]

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

    def __repr__(self) -> str:
        cited = f", {len(self.citations)} citations" if self.citations else ""
        return f"<Outcome {self.status}{cited}>"

    def _repr_html_(self) -> str:
        parts = [html.badge(self.status, colour_of(self.status))]
        if self.text:
            text = html.visible(self.text)
            parts.append(f"<p style='margin:8px 0 4px;white-space:pre-wrap'>{text}</p>")
        parts += [
            f"<p style='margin:4px 0;{html.MUTED}'><i>{html.short(told)}</i></p>"
            for told in (self.owner, self.cause)
            if told
        ]
        cited = {c.number: c for c in self.citations}
        parts += [
            f"<div style='font-size:13px'>[{number}] {html.visible(c.title)}"
            f" <code>{html.visible(c.document)}</code></div>"
            for number, c in sorted(cited.items())
        ]
        return html.card(*parts)


_COLOURS: dict[str, str] = {
    "answered": html.GREEN,
    "awaiting_review": html.AMBER,
    "running": html.BLUE,
    "escalated": html.VIOLET,
    "refused": html.ORANGE,
    "failed": html.RED,
}


def colour_of(status: str) -> str:
    """Return the colour by which a notebook tells a status."""
    return _COLOURS.get(status, html.GREY)
