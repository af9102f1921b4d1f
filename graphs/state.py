"""What LangGraph checkpoints: a thread's memory and the record of its current turn.

Plain JSON throughout. `turn` merges partial updates of one run and is replaced whole when the
run id changes, so that nothing of the last turn can steer this one. `window` is what prompts are
made of, and no input reaches it; `messages` is what a chat UI sends and shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from langchain_core.messages import AnyMessage
from langgraph.channels import EphemeralValue
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from concertmaster.contracts import Confidentiality, Label, Memory, Message, Trust, Turn
from concertmaster.errors import StorageError
from concertmaster.graphs.conversation import received

__all__ = ["Input", "State", "merge_turn", "read_memory", "read_messages", "read_turn", "update_of"]

_MERGED = ("results", "data", "models")
_WORST = Label(
    trust=Trust.untrusted, confidentiality=Confidentiality.restricted, sources=("unreadable",)
)
_INTEGERS = range(-(2**63), 2**63)
_AS_IT_IS = frozenset({str, bool, float})


def merge_turn(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """Fold an update into the turn: a new request or run replaces it, else fields are overwritten.

    `results`, `data` and `models` are merged by key: parallel calls write them side by side.
    """
    if not isinstance(old, Mapping) or "request" in new:
        return dict(new)
    if "run" in new and new["run"] != old.get("run"):
        return dict(new)
    merged = {**old, **new}
    for name in _MERGED:
        if name in new:
            merged[name] = {**(old.get(name) or {}), **(new[name] or {})}
    return merged


def _join_label(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    if not old:
        return dict(new)
    try:
        before = Label.model_validate(old)
    except ValidationError:
        before = _WORST
    return before.join(Label.model_validate(dict(new))).model_dump(mode="json")


class Input(TypedDict, total=False):
    """What starts a turn: a message, or messages of which the last one is the user's."""

    message: str
    messages: list[AnyMessage]


class State(TypedDict, total=False):
    """The channels. Thread: window, messages, memory, label. Turn: message, turn.

    `message` is there in the step after it came in and no longer. `messages` are plain data of the
    form that LangChain's messages have as JSON; see `concertmaster.graphs.conversation`.
    """

    message: Annotated[str, EphemeralValue]
    messages: Annotated[list[AnyMessage], received]
    window: list[dict[str, Any]]
    memory: dict[str, Any]
    label: Annotated[dict[str, Any], _join_label]
    turn: Annotated[dict[str, Any], merge_turn]


def read_turn(state: Mapping[str, Any]) -> Turn:
    """Return the turn, validated.

    Raises:
        StorageError: the stored turn is missing or not of this schema version.
    """
    try:
        return Turn.model_validate(state.get("turn"))
    except ValidationError as error:
        raise StorageError(
            f"the checkpointed turn cannot be read ({error.error_count()} problems)",
            hint="send a new message; `concertmaster threads show` has the earlier turns",
        ) from None


def read_memory(state: Mapping[str, Any]) -> Memory:
    """Return what the thread remembers; nothing, if it is unreadable."""
    try:
        return Memory.model_validate(state.get("memory") or {})
    except ValidationError:
        return Memory()


def read_messages(state: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return the thread's window of messages, dropping unreadable ones.

    Threads of before there was a `window` have it in `messages`, in this form.
    """
    read = []
    stored = state.get("window", state.get("messages"))
    for raw in stored if isinstance(stored, list) else ():
        try:
            read.append(Message.model_validate(raw))
        except ValidationError:
            continue
    return tuple(read)


def update_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of a turn as the JSON that `turn` takes."""
    return {"turn": {name: _json(value) for name, value in fields.items()}}


def _json(value: Any) -> Any:
    """Return a value as what a checkpoint can hold: integers beyond 64 bits become text."""
    if value is None or type(value) in _AS_IT_IS:
        return value
    if isinstance(value, BaseModel):
        return _json(value.model_dump(mode="json"))
    if isinstance(value, int) and value not in _INTEGERS:
        return str(value)
    if isinstance(value, list | tuple):
        return [_json(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    return value
