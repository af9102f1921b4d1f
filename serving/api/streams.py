"""A run's events as server-sent events, as a caller may see them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from typing import Any

from fastapi.responses import StreamingResponse

from concertmaster.contracts import Principal, RunRecord, StreamEvent
from concertmaster.contracts.events import ApprovalRequested
from concertmaster.errors import ConcertmasterError
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.following import Told, Until
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
    async with aclosing(following):
        try:
            async for told in following:
                data = _data(desk, who, record, told.event)
                if data is not None:
                    yield event_text(data, name=told.event.kind, id=told.id)
        except ConcertmasterError as error:
            # It was erased meanwhile, for instance. The status has been sent long ago.
            yield event_text({"code": error.code, "detail": "it cannot go on"}, name="problem")


def _data(
    desk: Desk, who: Principal, record: RunRecord, event: StreamEvent
) -> dict[str, Any] | None:
    """Return what is told of an event, None if this caller is told nothing of it."""
    data = event.model_dump(mode="json", exclude={"run", "thread", "approval"})
    ids = {"run_id": event.run, "thread_id": shown(who, event.thread)}
    if isinstance(event, ApprovalRequested):
        seen = seen_on(desk, who, record, [event.approval])
        if not seen:
            return None
        data["approval"] = seen[0].model_dump(mode="json")
    return {**ids, **data}
