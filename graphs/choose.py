"""Choose: where the table asks a model. Its answer must be one of the declared options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Command

from concertmaster.agents.asking import ask_for
from concertmaster.agents.prompts import route_prompt
from concertmaster.agents.recorder import Recorder
from concertmaster.agents.task import Services
from concertmaster.contracts import Hop, Request, Usage
from concertmaster.contracts.spec import ModelNeed, RouteSpec
from concertmaster.errors import BudgetReached, ModelError
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import State, read_turn, update_of

__all__ = ["make_choose"]

_PATIENCE = 20.0


def make_choose(services: Services, sessions: Sessions) -> Any:
    """Return the node that has a model choose among a route's options."""

    async def choose(
        state: State, config: RunnableConfig, runtime: Runtime[Context]
    ) -> Command[str]:
        session = sessions.of(runtime, thread_of(config))
        turn = read_turn(state)
        spec = _asked(services, turn.hops[-1] if turn.hops else None)
        told = Recorder(services, session, "choose", session.run or turn.run)
        target, why, usage = await _ask(services, spec, turn.request, told)
        told.record("route.ask", why=why, options=list(spec.ask or ()) if spec else [], to=target)
        runtime.stream_writer({"kind": "hopped", "to": target, "why": why})
        hop = Hop(to=target, why=why)
        update = {"hops": (*turn.hops, hop), "usage": turn.usage.plus(usage)}
        return Command(update=update_of(update), goto=target)

    return choose


def _asked(services: Services, hop: Hop | None) -> RouteSpec | None:
    routes = services.spec.workflow.routes
    if hop is None or hop.route is None or not 0 <= hop.route < len(routes):
        return None
    return routes[hop.route] if routes[hop.route].ask else None


async def _ask(
    services: Services, spec: RouteSpec | None, request: Request, told: Recorder
) -> tuple[str, str, Usage]:
    """Return where the run goes, why, and what asking cost."""
    if spec is None or not spec.ask:
        return "escalate", "no route asks a model here", Usage()
    otherwise = spec.otherwise or "escalate"
    purposes = {s.id: s.purpose or s.agent for s in services.spec.workflow.steps}
    options = {name: purposes.get(name, name) for name in spec.ask}
    prompt = route_prompt(
        request.resolved,
        options,
        spec.why or "choose",
        label=request.label,
        schema=_schema(spec.ask),
    )
    need = ModelNeed(need="route", tier="small")
    choice = services.models.choose(need, prompt.call(need.output))
    if choice.model is None:
        return otherwise, f"{choice.reason}; the declared alternative is {otherwise}", Usage()
    try:
        reply, usage, _ = await ask_for(
            told, choice, prompt, why="chose a route", seconds=_PATIENCE
        )
    except BudgetReached as error:
        return error.fallback, error.message, Usage()
    except ModelError as error:
        return otherwise, f"the model gave no usable answer ({error.message})", Usage()
    answer = (reply.data or {}).get("to")
    if answer in spec.ask:
        return str(answer), f"{reply.model} chose it among {', '.join(spec.ask)}", usage
    return otherwise, "the model named a target that is not declared", usage


def _schema(options: Sequence[str]) -> dict[str, Any]:
    return {
        "title": "route",
        "type": "object",
        "properties": {"to": {"enum": list(options)}},
        "required": ["to"],
        "additionalProperties": False,
    }
