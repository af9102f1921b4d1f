"""What a run has told so far, as a card and as lines. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from concertmaster.contracts import StreamEvent
from concertmaster.contracts.events import (
    ActionChanged,
    ApprovalRequested,
    Hopped,
    RunEnded,
    RunStarted,
    StepStarted,
    TextDelta,
)
from concertmaster.contracts.html import GREY, MUTED, badge, card, rows, short, visible
from concertmaster.contracts.outcome import colour_of

__all__ = ["Progress", "line_of"]

_MOST = 60


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A run as far as it has told. `step` is the one that works, `told` are rows of HTML."""

    text: str
    run: str = ""
    thread: str = ""
    step: str = ""
    told: tuple[tuple[str, str], ...] = ()
    answer: str = ""

    def after(self, event: StreamEvent) -> Progress:
        """Return it with one event more."""
        match event:
            case RunStarted():
                return replace(self, run=event.run, thread=event.thread)
            case StepStarted():
                return replace(self, step=event.step)
            case TextDelta():
                return replace(self, answer=self.answer + event.text, step="")
            case Hopped():
                row = (f"→&nbsp;<b>{visible(event.to)}</b>", short(event.why))
            case ActionChanged():
                call = f"&ensp;<code>{visible(event.tool)}</code>"
                status = event.status.replace("_", " ")
                row = (call, short(f"{status}: {event.why}" if event.why else status))
            case ApprovalRequested():
                return self._with("", event.approval._repr_html_())
            case RunEnded():
                return replace(self, step="")
        return self._with(*row)

    def html(self, status: str = "running", why: str = "") -> str:
        """Return it as a card; `why` tells what ended it where that was no outcome."""
        parts = [badge(status, colour_of(status) if status == "running" else GREY)]
        if self.step:
            parts.append(f"&ensp;<span style='{MUTED}'>{visible(self.step)} …</span>")
        parts.append(f"<p style='margin:8px 0 4px;{MUTED}'>“{short(self.text)}”</p>")
        parts.append(rows(self.told, most=_MOST) if self.told else "")
        if self.answer:
            text = visible(self.answer)
            parts.append(f"<p style='margin:4px 0 8px;white-space:pre-wrap'>{text}</p>")
        if why:
            parts.append(f"<p style='margin:4px 0 8px'><i>{short(why)}</i></p>")
        return card(*parts)

    def _with(self, *row: str) -> Progress:
        return replace(self, told=(*self.told[1 - _MOST :], (row[0], row[1])))


def line_of(event: StreamEvent) -> str | None:
    """Return an event as a line for terminals; None for what is shown in another way."""
    match event:
        case Hopped():
            line = f"→ {event.to}: {event.why}"
        case ActionChanged():
            line = f"  {event.tool}: {event.status}"
        case ApprovalRequested():
            needs = ", ".join(f"{n.count} × {n.role}" for n in event.approval.needs)
            line = f"  {event.approval.id} waits for {needs}"
        case _:
            return None
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
