"""`/v1/chat/completions`: one message in, a run's answer out, as a whole or as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from concertmaster.contracts import Approval, Principal
from concertmaster.contracts.events import RunEnded, TextDelta
from concertmaster.errors import ConcertmasterError
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.run import Run
from concertmaster.serving.caller import Caller, host_of
from concertmaster.serving.host import Host
from concertmaster.serving.openai.asked import last_message
from concertmaster.serving.openai.completion import Completion
from concertmaster.serving.openai.finding import run_in
from concertmaster.serving.openai.headers import headers_of
from concertmaster.serving.openai.meanwhile import meanwhile
from concertmaster.serving.openai.names import run_of_completion
from concertmaster.serving.openai.refusal import ERRORS, STREAMED, OpenAIRoute
from concertmaster.serving.openai.usage import spent, total
from concertmaster.serving.openai.wanted import ChatRequest, thread_in
from concertmaster.serving.problems import status_of
from concertmaster.serving.sse import event_stream, event_text
from concertmaster.serving.threads import shown

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/chat/completions",
    tags=["OpenAI"],
    route_class=OpenAIRoute,
    responses=dict(ERRORS),
)


@router.post("", responses=STREAMED)
async def create_completion(
    request: Request,
    wanted: ChatRequest,
    who: Caller,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> Response:
    """Answer the last message of the user; everything else in `messages` is left out.

    The thread is `metadata.thread_id`, a new one without. Header `x-thread-id` and the answer's
    `metadata` tell it. A call that waits for people is told with its approval's id.
    """
    wanted.check()
    host = host_of(request)
    desk = host.desk(wanted.model)
    text = last_message(wanted.messages)
    thread = thread_in(wanted.metadata)
    with ExitStack() as stack:
        if wanted.stream:
            stack.enter_context(host.streaming(who))
        started = await host.start(desk, who, text, thread=thread, key=idempotency_key)
        completion = await _completion(desk, who, started.run, begins=thread is None)
        headers = headers_of(completion.thread, started.run)
        if not wanted.stream:
            body = await _waited(host, desk, completion)
            return JSONResponse(body, headers=headers)
        options = wanted.stream_options
        parts = _chunks(desk, completion, bool(options and options.include_usage))
        response = event_stream(parts, host.ended, stack.pop_all())
    response.headers.update(headers)
    return response


@router.get("/{completion_id}")
async def get_completion(request: Request, completion_id: str, who: Caller) -> dict[str, Any]:
    """Return a completion as its run now stands, also after a decision elsewhere."""
    desk, record = await run_in(host_of(request), who, run_of_completion(completion_id))
    completion = await _completion(desk, who, record.id)
    return _whole(completion, await desk.get(record.id))


async def _completion(desk: Desk, who: Principal, run: str, *, begins: bool = False) -> Completion:
    """Return what tells of a run; `begins` if it is the first of its thread."""
    record = await desk.runs.get(run)
    before = [] if begins else await meanwhile(desk, who, record)
    thread = shown(who, record.thread)
    return Completion(record=record, thread=thread, model=desk.name, before=before)


async def _waited(host: Host, desk: Desk, completion: Completion) -> dict[str, Any]:
    """Wait for the run for as long as the server does; then tell that it goes on.

    That is no error of the protocol: its clients would send the message again.
    """
    id, seconds = completion.record.id, host.settings.limits.waiting
    try:
        return _whole(completion, await desk.background.wait(id, seconds=seconds))
    except TimeoutError:
        return _whole(completion, await desk.get(id))


def _whole(completion: Completion, run: Run) -> dict[str, Any]:
    return completion.whole(run.outcome, run.status, run.pending, total(run.events))


async def _chunks(desk: Desk, completion: Completion, with_usage: bool) -> AsyncGenerator[str]:
    """Yield the parts of the stream; what the critic has not passed is in none of them."""

    def part(delta: dict[str, Any]) -> str:
        return event_text(completion.chunk(delta, with_usage=with_usage))

    run = completion.record.id
    yield part({"role": "assistant", "content": completion.prelude})
    try:
        async for told in desk.background.follow(run):
            match told.event:
                case TextDelta(text=text):
                    yield part({"content": text})
                case RunEnded(outcome=outcome):
                    waits = outcome.status == "awaiting_review"
                    pending = await _pending(desk, run) if waits else []
                    closing = completion.closing(outcome.status, pending)
                    if closing:
                        yield part({"content": closing})
                    last = completion.last_chunk(outcome, pending, with_usage=with_usage)
                    yield event_text(last)
        if with_usage:
            yield event_text(completion.usage_chunk(await spent(desk, run)))
        yield event_text("[DONE]")
    except ConcertmasterError as error:
        yield event_text(broken(error))


async def _pending(desk: Desk, run: str) -> list[Approval]:
    return await desk.services.approvals.list(run=run, status="pending")


def broken(error: ConcertmasterError) -> dict[str, Any]:
    """Return what ends a stream that cannot go on; the run does."""
    message = "the stream cannot go on; the run does"
    kind = "server_error" if status_of(error) >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": error.code}}
