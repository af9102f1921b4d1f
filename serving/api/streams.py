"""A run's events as server-sent events, as a caller may see them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing

from fastapi.responses import StreamingResponse

from concertmaster.contracts import Principal, RunRecord
from concertmaster.contracts.events import ApprovalRequested
from concertmaster.errors import ConcertmasterError
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.following import Told, Until
from concertmaster.serving.api.events import StreamProblem, as_sent
from concertmaster.serving.api.views import seen_on
from concertmaster.serving.host import Host
from concertmaster.serving.sse import event_stream, event_text
from concertmaster.serving.threads import shown

__all__ = ["streamed"]


def streamed(
    host: Host,
    desk: Desk,
    who: Principal,
    record: RunRecord,
    *,
    after: str | None = None,
    until: Until = "rest",
    counted: ExitStack | None = None,
) -> StreamingResponse:
    """Return a response with what happens in a run that the caller may see.

    Args:
        host: where it is served.
        desk: its workflow.
        who: the caller.
        record: the run.
        after: the id of the last event that the caller has.
        until: where the stream ends.
        counted: holds this stream's place among those of the caller; by default it takes one.

    Raises:
        RequestError: `after` is no id of an event.
        ServerBusy: the caller has as many streams open as may be.
    """
    following = desk.background.follow(record.id, after=after, until=until)
    with ExitStack() as place:
        if counted is None:
            place.enter_context(host.streaming(who))
        else:
            place.push(counted.pop_all())
        return event_stream(_texts(desk, who, record, following), host.ended, place.pop_all())


async def _texts(
    desk: Desk, who: Principal, record: RunRecord, following: AsyncGenerator[Told]
) -> AsyncGenerator[str]:
    thread = shown(who, record.thread)
    async with aclosing(following):
        try:
            async for told in following:
                event, seen = told.event, None
                if isinstance(event, ApprovalRequested):
                    seen = next(iter(seen_on(desk, who, record, [event.approval])), None)
                    if seen is None:
                        continue  # It is for others to decide.
                yield event_text(as_sent(event, thread, seen), name=event.kind, id=told.id)
        except ConcertmasterError as error:
            # It was erased meanwhile, for instance. The status has been sent long ago.
            problem = StreamProblem(code=error.code, detail="the stream cannot go on")
            yield event_text(problem.model_dump_json(), name=problem.kind)
