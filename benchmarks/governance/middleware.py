"""What the gate adds to an agent of LangChain's `create_agent`: two model calls and one tool."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool

from concertmaster.graphs.langchain import Acting, Governance, GovernanceMiddleware
from concertmaster.testing import Call, ScriptedModel
from governance.calls import Case, Desk
from governance.rules import as_cedar, rules
from governance.timing import Clock, collector_off, progress

__all__ = ["added"]

POLICIES = 50
_WARM = 5

Run = Callable[[], Awaitable[Any]]


class Idle(AgentMiddleware[Any, Any, Any]):
    """Hands every call on: what LangChain itself takes for having a middleware."""

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Let the call pass."""
        return await handler(request)


async def added(desk: Desk, folder: Path, runs: int) -> dict[str, float]:
    """Return what a run takes without the gate, and what it adds: in memory and on SQLite.

    Each turn runs the agent in every way, one after the other; the figure is the median of the
    turns' differences. `idle` is a middleware that does nothing.
    """
    case = _permitted(desk)
    policies = folder / "policies"
    policies.mkdir(parents=True)
    (policies / "generated.cedar").write_text(as_cedar(rules(POLICIES)), encoding="utf-8")
    tools = list(desk.tools.values())
    memory = await asyncio.to_thread(Governance.load, policies, tools=tools)
    durable = await asyncio.to_thread(Governance.load, policies, tools=tools, home=folder / "home")
    with memory, durable:
        ways = {
            "plain": _runner(case, ()),
            "idle": _runner(case, (Idle(),)),
            "memory": _runner(case, (GovernanceMiddleware(memory),)),
            "sqlite": _runner(case, (GovernanceMiddleware(durable),)),
        }
        clocks = await _alternating(ways, runs)
    return {
        "middleware_added_ms": _difference(clocks["memory"].wall, clocks["plain"].wall),
        "middleware_added_cpu_ms": _difference(clocks["memory"].cpu, clocks["plain"].cpu),
        "middleware_added_sqlite_ms": _difference(clocks["sqlite"].wall, clocks["plain"].wall),
        "middleware_idle_ms": _difference(clocks["idle"].wall, clocks["plain"].wall),
        "create_agent_ms": statistics.median(clocks["plain"].wall) / 1e6,
        "create_agent_governed_ms": statistics.median(clocks["memory"].wall) / 1e6,
        "middleware_runs": runs,
    }


async def _alternating(ways: dict[str, Run], runs: int) -> dict[str, Clock]:
    clocks = {name: Clock() for name in ways}
    for _ in range(_WARM):
        for run in ways.values():
            await run()
    with collector_off():
        for _ in progress(range(runs), "create_agent"):
            for name, run in ways.items():
                clocks[name].start()
                await run()
                clocks[name].stop()
    return clocks


def _difference(times: list[int], plain: list[int]) -> float:
    return statistics.median(a - b for a, b in zip(times, plain, strict=True)) / 1e6


def _permitted(desk: Desk) -> Case:
    """Return a customer's look at an order of their own."""
    for case in desk.cases:
        call = case.call
        if call.tool != "get_order" or "customer" not in call.principal.roles:
            continue
        if case.facts and case.facts["customer"] == call.principal.id:
            return case
    raise SystemExit("no call of the desk is a customer's look at their own order")


def _runner(case: Case, middleware: tuple[AgentMiddleware[Any, Any, Any], ...]) -> Run:
    order = case.call.arguments["order_id"]
    call = Call("get_order", {"order_id": order})

    def step(messages: Any) -> Any:
        return "It was delivered." if isinstance(messages[-1], ToolMessage) else call

    agent = create_agent(
        ScriptedModel(otherwise=step),
        [_tool(case)],
        middleware=middleware,
        context_schema=Acting,
    )
    acting = Acting(principal=case.call.principal)
    question = {"messages": [("user", f"Where is my order {order}?")]}

    async def run() -> Any:
        answer = await agent.ainvoke(question, context=acting)
        result = answer["messages"][-2]
        if not isinstance(result, ToolMessage) or "delivered_on" not in result.text:
            raise SystemExit(f"the tool was not called: {result}")
        return answer

    return run


def _tool(case: Case) -> BaseTool:
    """Return the desk's tool as an agent of LangChain has it; it answers from memory."""
    found = next(s.content for s in case.older if s.id == "get_order")

    async def answer(**_: Any) -> Any:
        return found

    return StructuredTool(
        name=case.tool.name,
        description=case.tool.description,
        args_schema=case.tool.arguments,
        coroutine=answer,
    )
