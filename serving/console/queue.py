"""The queue of what waits for a person, what was decided, and the stream that keeps them fresh."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request, Response

from concertmaster.contracts import Approval, Principal, digest, now
from concertmaster.contracts.deadline import utc
from concertmaster.serving.caller import host_of
from concertmaster.serving.console.entries import (
    STATUSES,
    choices,
    entries,
    filters_of,
    passes,
    query_of,
)
from concertmaster.serving.console.page import PageRoute, render
from concertmaster.serving.console.room import room_of
from concertmaster.serving.console.visitor import Viewer, present
from concertmaster.serving.host import Host
from concertmaster.serving.sse import event_stream, event_text
from concertmaster.serving.visible import queue_of

__all__ = ["LASTS", "found_for", "router"]

router = APIRouter(route_class=PageRoute)

_SHOWN = 200
_LOOK = 5.0
"""Seconds after which a stream looks by itself: another process may have decided something."""
LASTS = 3600.0
"""Seconds after which a stream ends; a browser whose session is not over opens another one."""
_BREATH = 0.2
"""Seconds for which changes are gathered before they are told."""


@router.get("", name="console_queue")
async def queue(request: Request, who: Viewer) -> Response:
    """Show what waits for this person."""
    at = utc(now())
    listed = entries(await found_for(host_of(request), who.principal, "pending"), who.principal, at)
    filters = filters_of({**request.query_params, "status": ""})
    kept = [entry for entry in listed if passes(entry, filters)]
    return render(
        request,
        "queue.html",
        entries=kept[:_SHOWN],
        more=len(kept) - _SHOWN,
        total=sum(entry.decidable for entry in listed),
        filters=filters,
        query=query_of(filters),
        choices=choices(listed),
    )


@router.get("/history", name="console_history")
async def history(request: Request, who: Viewer) -> Response:
    """Show what was decided in this person's queues."""
    at = utc(now())
    found = await found_for(host_of(request), who.principal, None)
    decided = [(workflow, a) for workflow, a in found if a.status != "pending"]
    listed = entries(decided, who.principal, at, latest_first=True)
    filters = filters_of(request.query_params)
    kept = [entry for entry in listed if passes(entry, filters)]
    return render(
        request,
        "history.html",
        entries=kept[:_SHOWN],
        more=len(kept) - _SHOWN,
        filters=filters,
        choices=choices(listed),
        statuses=[status for status in STATUSES if status != "pending"],
    )


@router.get("/live", name="console_live")
async def live(request: Request, who: Viewer) -> Response:
    """Stream a word whenever this person's queue is another one; the page then asks for it."""
    host, room = host_of(request), room_of(request)
    for desk in host:
        room.bell.hear(desk)
    counted = host.streaming(who.principal)
    counted.__enter__()

    async def parts() -> AsyncGenerator[str]:
        before = request.headers.get("last-event-id")
        until = time.monotonic() + LASTS
        with room.bell.watched() as rung:
            while time.monotonic() < until and (now_is := await present(request, who)):
                rung.clear()
                pending = [a for _, a in await found_for(host, now_is, "pending")]
                state = _state(pending)
                if state != before:
                    before = state
                    waiting = {"pending": len(pending)}
                    yield event_text(waiting, name="queue", id=state)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), _LOOK)
                    await asyncio.sleep(_BREATH)

    return event_stream(parts(), host.ended, counted)


async def found_for(host: Host, who: Principal, status: str | None) -> list[tuple[str, Approval]]:
    """Return the approvals of a person's queues in all workflows, with the workflow's name."""
    return [
        (desk.name, approval)
        for desk in host
        for approval in await queue_of(desk, who, status=status)
    ]


def _state(approvals: list[Approval]) -> str:
    """Return what changes whenever a list of approvals does."""
    told = [
        [a.id, a.status, [v.by for v in a.votes], [[c.by, c.until] for c in a.claims]]
        for a in approvals
    ]
    return digest(told).rpartition(":")[2][:16]
