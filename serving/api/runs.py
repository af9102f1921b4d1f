"""Runs: start, look, follow, wait, cancel, judge."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request, Response

from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.following import Until
from concertmaster.serving.api.events import DESCRIBED_EVENTS, EVENT_STREAM
from concertmaster.serving.api.pages import Cursor, Limit, Page
from concertmaster.serving.api.problem import answers
from concertmaster.serving.api.shapes import (
    Cancellation,
    FeedbackReceipt,
    NewFeedback,
    NewRun,
    RunView,
    TimelineEntry,
)
from concertmaster.serving.api.signing_in import Caller, Served, Workflow
from concertmaster.serving.api.streams import streamed
from concertmaster.serving.api.timeline import timeline
from concertmaster.serving.api.views import run_view
from concertmaster.serving.caller import host_of
from concertmaster.serving.visible import run_for

__all__ = ["router"]

router = APIRouter(tags=["runs"], responses=answers(404))

_TOLD = (
    "Server-sent events `run_started`, `hopped`, `action_changed`, `approval_requested`, "
    "`text_delta` and `run_ended`, each with an id; `problem` if it cannot go on."
)
_HEADERS = {
    "Location": {"description": "Where the run is.", "schema": {"type": "string"}},
    "X-Run-Id": {"description": "Its id.", "schema": {"type": "string"}},
}
_GOES_ON: dict[int | str, dict[str, Any]] = {
    202: {"model": RunView, "description": "It goes on.", "headers": _HEADERS}
}

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same caller's same key brings about one run, however often it is sent.",
    ),
]
Seconds = Annotated[
    float,
    Query(ge=0, le=3600, description="How long to wait at most; the server may have less."),
]
Where = Annotated[
    Until,
    Query(description="`rest`: until it has ended or waits for people; `end`: until it has ended."),
]


@router.post(
    "/workflows/{workflow}/runs",
    operation_id="start_run",
    status_code=202,
    response_model=RunView,
    responses={
        **answers(409),
        200: {
            "model": RunView,
            "description": "It came to rest while it was waited for. Or, where `Accept` asks for "
            f"`{EVENT_STREAM}`: {_TOLD}",
            "content": {EVENT_STREAM: DESCRIBED_EVENTS},
            "headers": _HEADERS,
        },
        **_GOES_ON,
    },
)
async def start_run(
    *,
    request: Request,
    response: Response,
    who: Caller,
    host: Served,
    desk: Workflow,
    body: NewRun,
    key: Key = None,
    wait: Seconds = 0,
) -> Any:
    """Take a message and have it answered, whether or not the caller stays.

    Returns at once, after at most `wait` seconds, or with a stream of events. What becomes of a
    message while another one of its thread is not done with, is the server's setting `conflict`.
    """
    streams = EVENT_STREAM in request.headers.get("accept", "")
    with ExitStack() as place:
        if streams or wait:
            place.enter_context(host.streaming(who))
        started = await host.start(desk, who, body.text, thread=body.thread_id, key=key)
        record = await desk.runs.get(started.run)
        headers = {"Location": _where(request, desk, started.run), "X-Run-Id": started.run}
        if streams:
            events = streamed(host, desk, who, record, counted=place)
            events.headers.update(headers)
            return events
        rested = bool(wait) and await _rested(request, desk, started.run, "rest", wait)
    response.headers.update(headers)
    response.status_code = 200 if rested else 202
    return await run_view(desk, who, await desk.runs.get(started.run))


@router.get("/workflows/{workflow}/runs/{run}", operation_id="get_run", response_model=RunView)
async def get_run(who: Caller, desk: Workflow, run: str) -> RunView:
    """Return a run of one's own, or one that one decides about."""
    return await run_view(desk, who, await run_for(desk, who, run))


@router.get(
    "/workflows/{workflow}/runs/{run}/events",
    operation_id="follow_run",
    response_class=Response,
    responses={200: {"description": _TOLD, "content": {EVENT_STREAM: DESCRIBED_EVENTS}}},
)
async def follow_run(
    *,
    who: Caller,
    host: Served,
    desk: Workflow,
    run: str,
    last: Annotated[
        str | None,
        Header(alias="Last-Event-ID", description="The id of the last event that arrived."),
    ] = None,
    after: Annotated[
        str | None, Query(description="The same, for clients that set no headers.")
    ] = None,
    until: Where = "rest",
) -> Any:
    """Stream what happens in a run, from its beginning or after an event.

    An event's id means the same in every connection and after a restart of the server.
    """
    record = await run_for(desk, who, run)
    return streamed(host, desk, who, record, after=last or after, until=until)


@router.get(
    "/workflows/{workflow}/runs/{run}/wait",
    operation_id="wait_for_run",
    response_model=RunView,
    responses={**_GOES_ON},
)
async def wait_for_run(
    *,
    response: Response,
    request: Request,
    who: Caller,
    host: Served,
    desk: Workflow,
    run: str,
    seconds: Seconds = 30,
    until: Where = "rest",
) -> RunView:
    """Return a run once it rests, or as it stands after some seconds."""
    record = await run_for(desk, who, run)
    with host.streaming(who):
        rested = await _rested(request, desk, record.id, until, seconds)
    response.headers.update({"Location": _where(request, desk, run), "X-Run-Id": run})
    response.status_code = 200 if rested else 202
    return await run_view(desk, who, await desk.runs.get(run))


@router.get(
    "/workflows/{workflow}/runs/{run}/timeline",
    operation_id="get_run_timeline",
    response_model=Page[TimelineEntry],
)
async def get_run_timeline(
    who: Caller, desk: Workflow, run: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[TimelineEntry]:
    """Tell what happened in a run, in words."""
    return await timeline(desk, [await run_for(desk, who, run)], limit, cursor)


@router.post(
    "/workflows/{workflow}/runs/{run}/cancel", operation_id="cancel_run", response_model=RunView
)
async def cancel_run(
    who: Caller, desk: Workflow, run: str, body: Cancellation | None = None
) -> RunView:
    """End a run of one's own; its approvals are void, what was done stays done.

    A run that has ended already stays as it is.
    """
    await run_for(desk, who, run)
    why = body.reason if body else ""
    await desk.background.cancel(run, principal=who, why=why)
    return await run_view(desk, who, await desk.runs.get(run))


@router.post(
    "/workflows/{workflow}/runs/{run}/feedback",
    operation_id="give_feedback",
    status_code=201,
    response_model=FeedbackReceipt,
)
async def give_feedback(
    who: Caller, desk: Workflow, run: str, body: NewFeedback
) -> FeedbackReceipt:
    """Store what somebody thinks of a run."""
    await run_for(desk, who, run)
    given = await desk.feedback(run, principal=who, **body.model_dump())
    return FeedbackReceipt(
        id=given.id, run_id=given.run, kind=given.kind, value=given.value, created=given.created
    )


async def _rested(request: Request, desk: Desk, run: str, until: Until, seconds: float) -> bool:
    """Wait for a run as long as a request may, and its client does; tell whether it rests."""
    host = host_of(request)
    most = min(seconds, host.settings.limits.waiting)
    resting = asyncio.ensure_future(desk.background.wait(run, until=until, seconds=most))
    others = {asyncio.ensure_future(host.ended.wait()), asyncio.ensure_future(_gone(request))}
    try:
        await asyncio.wait({resting, *others}, return_when=asyncio.FIRST_COMPLETED)
        if not resting.done():
            return False
        resting.result()
    except TimeoutError:
        return False
    finally:
        for task in (resting, *others):
            task.cancel()
        await asyncio.wait({resting, *others})
    return True


async def _gone(request: Request) -> None:
    """Return when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _where(request: Request, desk: Desk, run: str) -> str:
    """Return a run's address as a path: a request's own host may be anybody's words."""
    root = request.scope.get("root_path", "")
    return f"{root}/api/v1/workflows/{quote(desk.name, safe='')}/runs/{run}"
