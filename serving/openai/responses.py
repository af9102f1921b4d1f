"""`/v1/responses`: runs as responses, decided, continued, followed, cancelled."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from concertmaster.contracts import Principal
from concertmaster.errors import ConcertmasterError
from concertmaster.serving.caller import Caller, host_of
from concertmaster.serving.host import Host
from concertmaster.serving.openai.asked import Decided, asked_in
from concertmaster.serving.openai.deciding import decide
from concertmaster.serving.openai.finding import approval_in, own_run_in, run_in, thread_of
from concertmaster.serving.openai.headers import headers_of
from concertmaster.serving.openai.names import ResponseName
from concertmaster.serving.openai.refusal import ERRORS, STREAMED, NotHonoured, OpenAIRoute
from concertmaster.serving.openai.telling import Telling, telling
from concertmaster.serving.openai.wanted import ResponseRequest
from concertmaster.serving.sse import event_stream, event_text

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/responses", tags=["OpenAI"], route_class=OpenAIRoute, responses=dict(ERRORS)
)


@router.post("", responses=STREAMED)
async def create_response(
    request: Request,
    wanted: ResponseRequest,
    who: Caller,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Answer the last message of the input, or decide the approvals in it.

    `previous_response_id`, `conversation` or `metadata.thread_id` go on with a thread of one's own.
    """
    wanted.check()
    host = host_of(request)
    asked = asked_in(wanted.input, continued=wanted.previous_response_id is not None)
    with ExitStack() as stack:
        if wanted.stream:
            stack.enter_context(host.streaming(who))
        if isinstance(asked, str):
            told = await _started(host, who, wanted, asked, idempotency_key)
        else:
            told = await _decided(host, who, wanted, asked)
        if wanted.stream:
            return _streamed(host, told, stack)
    if wanted.background:
        return _answered(told, await told.present())
    return _answered(told, await _waited(host, told))


@router.get("/{response_id}", responses=STREAMED)
async def get_response(
    request: Request,
    response_id: str,
    who: Caller,
    stream: bool = False,
    starting_after: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Return a response as its run now stands, or stream it, behind a `sequence_number`."""
    host = host_of(request)
    name = ResponseName.read(response_id)
    desk, record = await run_in(host, who, name.run)
    told = await telling(desk, who, record, name)
    if not stream:
        return _answered(told, await told.present())
    with ExitStack() as stack:
        stack.enter_context(host.streaming(who))
        return _streamed(host, told, stack, after=-1 if starting_after is None else starting_after)


@router.post("/{response_id}/cancel")
async def cancel_response(request: Request, response_id: str, who: Caller) -> Response:
    """Call off a run of one's own; what was done stays done."""
    name = ResponseName.read(response_id)
    desk, record = await own_run_in(host_of(request), who, name.run)
    told = await telling(desk, who, record, name)
    await desk.cancel(record.id, principal=who)
    return _answered(told, await told.present())


async def _started(
    host: Host, who: Principal, wanted: ResponseRequest, text: str, key: str | None
) -> Telling:
    thread, name = wanted.named_thread, wanted.model
    if wanted.previous_response_id is not None:
        before = ResponseName.read(wanted.previous_response_id)
        there, earlier = await own_run_in(host, who, before.run)
        goes_on = thread_of(who, earlier)
        if thread not in (None, goes_on):
            raise NotHonoured(
                "previous_response_id is of another thread", param="metadata.thread_id",
                hint="leave one of them out",
            )  # fmt: skip
        if name not in (None, there.name):
            raise NotHonoured(
                f"the thread is of workflow {there.name!r}", param="model",
                hint="begin a new thread for another workflow",
            )  # fmt: skip
        thread, name = goes_on, there.name
    if name is None:
        raise NotHonoured("no model is named", param="model", hint="name a workflow")
    desk = host.desk(name)
    started = await host.start(desk, who, text, thread=thread, key=key)
    return await telling(
        desk,
        who,
        await desk.runs.get(started.run),
        ResponseName(started.run),
        previous=wanted.previous_response_id,
        background=wanted.background,
        begins=thread is None,
    )


async def _decided(
    host: Host, who: Principal, wanted: ResponseRequest, decisions: tuple[Decided, ...]
) -> Telling:
    """Record decisions about one run; the response tells what follows from the last of them."""
    found = [await approval_in(host, who, d.approval) for d in decisions]
    if len({approval.run for _, approval in found}) != 1:
        raise NotHonoured(
            "the approvals are of several runs", param="input", hint="decide one run at a time"
        )
    desk, last = found[-1]
    if wanted.previous_response_id is not None:
        before = ResponseName.read(wanted.previous_response_id)
        await run_in(host, who, before.run)
        if before.run != last.run:
            raise NotHonoured(
                f"{last.id} is not asked for by that response", param="previous_response_id",
                hint="name the response that has the mcp_approval_request",
            )  # fmt: skip
    if wanted.model not in (None, desk.name):
        raise NotHonoured(f"{last.id} is of workflow {desk.name!r}", param="model")
    for decision, (_, approval) in zip(decisions, found, strict=True):
        await decide(desk, who, approval, decision)
    return await telling(
        desk,
        who,
        await desk.runs.get(last.run),
        ResponseName(last.run, last.id),
        previous=wanted.previous_response_id,
        background=wanted.background,
    )


async def _waited(host: Host, told: Telling) -> dict[str, Any]:
    """Return the response once the run rests, or as it stands when that takes too long."""
    try:
        seconds = host.settings.limits.waiting
        await told.desk.background.wait(told.head.record.id, seconds=seconds)
    except TimeoutError:
        pass
    return await told.present()


def _answered(told: Telling, response: dict[str, Any]) -> Response:
    return JSONResponse(response, headers=_headers(told))


def _streamed(host: Host, told: Telling, stack: ExitStack, after: int = -1) -> Response:
    response = event_stream(_texts(told, after), host.ended, stack.pop_all())
    response.headers.update(_headers(told))
    return response


def _headers(told: Telling) -> dict[str, str]:
    return headers_of(told.head.thread, told.head.record.id)


async def _texts(told: Telling, after: int) -> AsyncGenerator[str]:
    number = -1
    try:
        async for event in told.events():
            number = event["sequence_number"]
            if number > after:
                yield event_text(event, name=event["type"])
    except ConcertmasterError as error:
        event = {
            "type": "error",
            "sequence_number": number + 1,
            "code": error.code,
            "message": "the stream cannot go on; the run does",
            "param": None,
        }
        yield event_text(event, name="error")
