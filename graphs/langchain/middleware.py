"""The gate as one line of LangChain's `create_agent`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from concertmaster.graphs.langchain.governance import Governance

try:
    from langchain.agents.middleware import AgentMiddleware
except ModuleNotFoundError as error:
    raise ImportError(
        "GovernanceMiddleware is for LangChain's create_agent, and LangChain is not installed;"
        " install it with\n  pip install 'concertmaster[langchain]'\n"
        "(concertmaster.governed works without it, for a graph with a ToolNode)"
    ) from error

if TYPE_CHECKING:
    from langchain.agents.middleware.types import ToolCallRequest

__all__ = ["GovernanceMiddleware"]


class GovernanceMiddleware(AgentMiddleware[Any, Any, Any]):
    """Puts every tool call of an agent to the gate, at the moment the tool would run.

    List it last: a middleware after it could change what was decided, so with one that wraps tool
    calls after it every call is refused. Reviews interrupt the graph, so it needs a checkpointer.

    >>> from langchain.agents import create_agent
    >>> from concertmaster.testing import Call, ScriptedModel
    >>> def send(to: str) -> str:
    ...     "Send a letter."
    ...     return "sent"
    >>> model = ScriptedModel(Call("send", {"to": "ana"}), "It was not sent.")
    >>> with Governance.load(None, tools=[send]) as governance:
    ...     agent = create_agent(model, [send], middleware=[GovernanceMiddleware(governance)])
    ...     answer = agent.invoke({"messages": [("user", "Send it to ana")]})
    >>> answer["messages"][-2].text
    'send was not called: no policy permits this call of send'
    """

    def __init__(self, governance: Governance) -> None:
        super().__init__()
        self.governance = governance
        self.tools = []

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]
    ) -> Any:
        """Let one call pass or refuse it; a call that people must see interrupts the graph."""
        return self.governance.wrap_tool_call(request, handler)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Let one call pass or refuse it; a call that people must see interrupts the graph."""
        return await self.governance.awrap_tool_call(request, handler)
