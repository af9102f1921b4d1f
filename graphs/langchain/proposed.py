"""One call as it is proposed in somebody else's graph. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from concertmaster.contracts import new_id
from concertmaster.graphs.langchain.acting import Acting
from concertmaster.graphs.langchain.journal import hashed, key_of

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.tools import BaseTool

__all__ = ["Proposed", "messages_of"]


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A proposed call with what the graph tells of it. Only `acting` is authority.

    Args:
        name: of the tool, as the call has it.
        arguments: as they were proposed.
        call_id: the id that the model gave the call.
        tool: the object that would run; None if none is registered.
        acting: on whose behalf, and who answers a review now.
        messages: of the graph's state.
        thread: None in a graph without checkpoints.
        task: the graph's name for the present piece of work, the same after a resume.
    """

    name: str
    arguments: Mapping[str, Any]
    call_id: str | None
    tool: BaseTool | None
    acting: Acting
    messages: Sequence[BaseMessage] = ()
    thread: str | None = None
    task: str | None = None

    @cached_property
    def origin(self) -> str:
        """The message that proposes the call, or else the task or something made up once."""
        for number in range(len(self.messages) - 1, -1, -1):
            message = self.messages[number]
            if isinstance(message, AIMessage) and _proposes(message, self.call_id):
                return message.id or f"message {number}"
        return self.task or new_id("call")

    @property
    def answered(self) -> bool:
        """Whether a result of this call stands in the state already."""
        return any(
            isinstance(m, ToolMessage) and m.tool_call_id == self.call_id for m in self._after()
        )

    def _after(self) -> Sequence[BaseMessage]:
        """Return what follows the message that proposes the call: ids may come up again later."""
        for number in range(len(self.messages) - 1, -1, -1):
            message = self.messages[number]
            if isinstance(message, AIMessage) and _proposes(message, self.call_id):
                return self.messages[number + 1 :]
        return ()

    @cached_property
    def place(self) -> str:
        """The thread; without one, a name that lasts as long as the messages do."""
        if self.thread is not None:
            return self.thread
        first = self.messages[0].id if self.messages else None
        return f"unsaved:{first or self.origin}"

    @property
    def turn(self) -> str:
        """The last message of a person: calls that follow the same one are of one run."""
        people = [m for m in self.messages if isinstance(m, HumanMessage)]
        return (people[-1].id or f"message {len(people)}") if people else ""

    @cached_property
    def position(self) -> str:
        """The name of the call's place in its thread, whatever its arguments are."""
        who = self.acting.principal.id
        return "call-" + hashed(self.place, self.origin, self.call_id, who)[:32]

    def key(self, call: str) -> str:
        """Return the name of exactly this call: its place, its principal and its digest."""
        return key_of(self.position, call)


def _proposes(message: AIMessage, call_id: str | None) -> bool:
    return any(call["id"] == call_id for call in message.tool_calls)


def messages_of(state: Any, key: str = "messages") -> Sequence[BaseMessage]:
    """Return the messages of a graph's state, in whichever of its forms it comes."""
    from langchain_core.messages import BaseMessage

    found = state.get(key, ()) if isinstance(state, Mapping) else getattr(state, key, state)
    if not isinstance(found, Sequence) or isinstance(found, str):
        return ()
    return [m for m in found if isinstance(m, BaseMessage)]
