"""Threads, and one run as it goes: what was said, what happened and why, where it stands."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request, Response

from concertmaster.contracts import FINAL, Principal, RunRecord
from concertmaster.errors import UnknownRun
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.caller import host_of
from concertmaster.serving.console.conversations import Conversation, conversations
from concertmaster.serving.console.diagram import diagram
from concertmaster.serving.console.page import PageRoute, render
from concertmaster.serving.console.progress import place_of, visited
from concertmaster.serving.console.timeline import lines
from concertmaster.serving.console.visitor import Viewer, present
from concertmaster.serving.sse import event_stream, event_text
from concertmaster.serving.visible import concerns, owns, run_for

__all__ = ["router"]

router = APIRouter(route_class=PageRoute)


@router.get("/threads", name="console_threads")
async def threads(request: Request, who: Viewer) -> Response:
    """Show the threads that this person may see."""
    found: list[Conversation] = []
    for desk in host_of(request):
        found += await conversations(desk, who.principal)
    found.sort(key=lambda c: c.updated, reverse=True)
    return render(request, "threads.html", conversations=found)


@router.get("/threads/{workflow}/{run}", name="console_thread")
async def thread(request: Request, who: Viewer, workflow: str, run: str) -> Response:
    """Show a run and the others of its thread."""
    desk = host_of(request).desk(workflow)
    record = await run_for(desk, who.principal, run)
    events = await desk.events(run=record.id)
    approvals = await desk.services.approvals.list(run=record.id)
    seen = [
        a for a in approvals if owns(who.principal, record) or concerns(who.principal, a, record)
    ]
    return render(
        request,
        "thread.html",
        workflow=workflow,
        record=record,
        runs=await _runs(desk, who.principal, record),
        lines=lines(events, record),
        approvals=seen,
        graph=diagram(desk.graph, place_of(record, events), visited(events)),
        place=place_of(record, events),
        final=record.status in FINAL,
        own=owns(who.principal, record),
    )


@router.get("/threads/{workflow}/{run}/live", name="console_thread_live")
async def live(request: Request, who: Viewer, workflow: str, run: str) -> Response:
    """Stream a word with each event of a run, until it has ended; the page then asks for it."""
    host = host_of(request)
    desk = host.desk(workflow)
    record = await run_for(desk, who.principal, run)
    after = request.headers.get("last-event-id")
    following = desk.background.follow(record.id, after=after, until="end")
    counted = host.streaming(who.principal)
    counted.__enter__()

    async def parts() -> AsyncGenerator[str]:
        async for told in following:
            if told.event.kind == "run_ended":
                break
            if await present(request, who) is None:
                return
            yield event_text({"kind": told.event.kind}, name="run", id=told.id)
        yield event_text({}, name="ended")

    return event_stream(parts(), host.ended, counted)


async def _runs(desk: Desk, who: Principal, record: RunRecord) -> list[RunRecord]:
    """Return the runs of a thread that somebody may see, oldest first."""
    found = []
    for run in await desk.runs.of_thread(record.thread):
        try:
            found.append(await run_for(desk, who, run.id))
        except UnknownRun:
            continue
    return found
