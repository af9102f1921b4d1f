"""Figures for reviewers: what waits, for how long, how it ends, what fails, what it costs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from markupsafe import Markup
from starlette.exceptions import HTTPException

from concertmaster.contracts import Principal, now
from concertmaster.contracts.deadline import utc
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.overview import Day, Figures, figures, recent
from concertmaster.policies.deadlines import overdue
from concertmaster.serving.caller import host_of
from concertmaster.serving.console.charts import Bar, bars, columns
from concertmaster.serving.console.moments import span
from concertmaster.serving.console.page import PageRoute, render
from concertmaster.serving.console.visitor import Viewer
from concertmaster.serving.visible import is_reviewer, queue_of

__all__ = ["router"]

router = APIRouter(route_class=PageRoute)

_SPANS = {"1": "24 hours", "7": "7 days", "30": "30 days"}
_TONES = {
    "answered": "good",
    "approved": "good",
    "edited": "good",
    "refused": "bad",
    "rejected": "bad",
    "failed": "bad",
}


@dataclass(frozen=True, kw_only=True)
class Board:
    """The figures of one workflow, drawn."""

    workflow: str
    pending: int
    overdue: int
    figures: Figures
    outcomes: list[tuple[Bar, Markup]]
    answers: list[tuple[Bar, Markup]]
    errors: list[tuple[Bar, Markup]]
    steps: list[tuple[Bar, Markup]]
    days: Markup
    first: str
    last: str


@router.get("/dashboard", name="console_dashboard")
async def dashboard(request: Request, who: Viewer) -> Response:
    """Show the figures of the workflows in which this person reviews."""
    days = request.query_params.get("days", "7")
    days = days if days in _SPANS else "7"
    desks = [desk for desk in host_of(request) if is_reviewer(desk, who.principal)]
    if not desks:
        raise HTTPException(404, "figures are for those who review; you review nothing here")
    boards = [await _board(desk, who.principal, int(days)) for desk in desks]
    return render(request, "dashboard.html", boards=boards, days=days, spans=_SPANS)


async def _board(desk: Desk, who: Principal, days: int) -> Board:
    present = now()
    since = utc(present - timedelta(days=days))
    events = await recent(desk.services.trail, since, tenant=who.tenant)
    found = await asyncio.to_thread(figures, events)
    waiting = await queue_of(desk, who)
    listed = _filled(found.days, present, days)
    return Board(
        workflow=desk.name,
        pending=len(waiting),
        overdue=sum(overdue(approval, utc(present)) for approval in waiting),
        figures=found,
        outcomes=_counted(found.outcomes),
        answers=_counted(found.answers),
        errors=_counted(found.errors, tone="bad"),
        steps=bars(
            [
                Bar(
                    name=step.step,
                    size=step.p95,
                    mark=step.median,
                    told=f"{span(step.median)} · {span(step.p95)}",
                )
                for step in found.steps
            ]
        ),
        days=columns(listed),
        first=listed[0][0],
        last=listed[-1][0],
    )


def _counted(numbers: object, tone: str = "plain") -> list[tuple[Bar, Markup]]:
    assert isinstance(numbers, dict)
    return bars(
        [
            Bar(name=name, size=number, told=str(number), tone=_TONES.get(name, tone))
            for name, number in numbers.items()
        ]
    )


def _filled(known: tuple[Day, ...], present: datetime, days: int) -> list[tuple[str, int, int]]:
    """Return every day, also those on which nothing happened."""
    found = {day.day: (day.asked, day.decided) for day in known}
    listed = [utc(present - timedelta(days=back))[:10] for back in range(days - 1, -1, -1)]
    return [(day, *found.get(day, (0, 0))) for day in listed]
