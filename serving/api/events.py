"""What a stream tells of a run, as clients get it, and how that is described."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from concertmaster.contracts import Outcome, StreamEvent
from concertmaster.contracts.base import Record
from concertmaster.serving.api.shapes import ApprovalView

__all__ = ["DESCRIBED_EVENTS", "EVENT_STREAM", "RunEvent", "StreamProblem", "as_sent", "schemas"]

EVENT_STREAM = "text/event-stream"


class _OfRun(Record):
    run_id: str
    thread_id: str


class RunStartedEvent(_OfRun):
    """The message is stored."""

    kind: Literal["run_started"]


class HoppedEvent(_OfRun):
    """The run was sent to a step, with the reason."""

    kind: Literal["hopped"]
    to: str
    why: str


class StepStartedEvent(_OfRun):
    """A step began."""

    kind: Literal["step_started"]
    step: str


class ActionChangedEvent(_OfRun):
    """A proposed call changed its status."""

    kind: Literal["action_changed"]
    tool: str
    status: str
    why: str


class ApprovalRequestedEvent(_OfRun):
    """The run waits for people. The approval is told as it was when it was asked for."""

    kind: Literal["approval_requested"]
    approval: ApprovalView


class TextDeltaEvent(_OfRun):
    """A part of the answer."""

    kind: Literal["text_delta"]
    text: str


class RunEndedEvent(_OfRun):
    """The run ended or waits for people."""

    kind: Literal["run_ended"]
    outcome: Outcome


class StreamProblem(Record):
    """The stream cannot go on: the run was erased, for instance. It has no id."""

    kind: Literal["problem"] = "problem"
    code: str
    detail: str


RunEvent = Annotated[
    RunStartedEvent
    | HoppedEvent
    | StepStartedEvent
    | ActionChangedEvent
    | ApprovalRequestedEvent
    | TextDeltaEvent
    | RunEndedEvent
    | StreamProblem,
    Field(discriminator="kind"),
]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(RunEvent)


def as_sent(event: StreamEvent, thread: str, approval: ApprovalView | None = None) -> str:
    """Return the data of an event.

    Args:
        event: what happened.
        thread: the thread, as the listener calls it.
        approval: what the listener sees of the approval that the event is about.
    """
    told = event.model_dump(exclude={"run", "thread", "approval"})
    told |= {"run_id": event.run, "thread_id": thread}
    if approval is not None:
        told["approval"] = approval
    return bytes(_ADAPTER.dump_json(_ADAPTER.validate_python(told))).decode()


def schemas() -> dict[str, Any]:
    """Return the schemas of all events by their names, that of the union as `RunEvent`."""
    union = _ADAPTER.json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    return {**union.pop("$defs"), "RunEvent": union}


DESCRIBED_EVENTS: dict[str, Any] = {
    # OpenAPI 3.2 describes each event so; readers of 3.1 that do not know it see a text.
    "itemSchema": {
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": {"type": "string", "description": "Give it back as `Last-Event-ID`."},
            "event": {"type": "string", "description": "The `kind` of the data."},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": "#/components/schemas/RunEvent"},
            },
        },
    },
    "example": 'id: 24\nevent: hopped\ndata: {"run_id":"run-5f0c6a7b8c9d0e1f","thread_id":"t-1",'
    '"kind":"hopped","to":"retriever","why":"the answer has to come from a document"}\n\n',
}
