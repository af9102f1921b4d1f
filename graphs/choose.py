"""Choose: where the table asks a model. Its answer must be one of the declared options."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Command

from concertmaster.agents.prompts import route_prompt
from concertmaster.agents.task import Services
from concertmaster.contracts import Hop
from concertmaster.contracts.spec import ModelNeed, RouteSpec
from concertmaster.errors import ModelError
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import State, read_turn, update_of

__all__ = ["make_choose"]


def make_choose(services: Services, sessions: Sessions) -> Any:
    """Return the node that has a model choose among a route's options."""

    async def choose(
        state: State, config: RunnableConfig, runtime: Runtime[Context]
    ) -> Command[str]:
        session = sessions.of(runtime, thread_of(config))
        turn = read_turn(state)
        spec = _asked(services, turn.hops[-1] if turn.hops else None)
        target, why = await _ask(services, spec, turn.request.resolved)
        services.trail.emit(
            "route.ask",
            why=why,
            actor="choose",
            run=session.run or turn.run,
            thread=session.thread,
            on_behalf_of=session.principal.id,
            options=list(spec.ask or ()) if spec else [],
            to=target,
        )
        runtime.stream_writer({"kind": "hopped", "to": target, "why": why})
        hop = Hop(to=target, why=why)
        return Command(update=update_of({"hops": (*turn.hops, hop)}), goto=target)

    return choose


def _asked(services: Services, hop: Hop | None) -> RouteSpec | None:
    routes = services.spec.workflow.routes
    if hop is None or hop.route is None or not 0 <= hop.route < len(routes):
        return None
    return routes[hop.route] if routes[hop.route].ask else None


async def _ask(services: Services, spec: RouteSpec | None, text: str) -> tuple[str, str]:
    if spec is None or not spec.ask:
        return "escalate", "no route asks a model here"
    otherwise = spec.otherwise or "escalate"
    choice = services.models.choose(ModelNeed(need="route", tier="small"))
    if choice.model is None:
        return otherwise, f"{choice.reason}; the declared alternative is {otherwise}"
    purposes = {s.id: s.purpose or s.agent for s in services.spec.workflow.steps}
    options = {name: purposes.get(name, name) for name in spec.ask}
    schema = {
        "title": "route",
        "type": "object",
        "properties": {"to": {"enum": list(spec.ask)}},
        "required": ["to"],
        "additionalProperties": False,
    }
    try:
        reply = await services.models.complete(
            choice, route_prompt(text, options, spec.why or "choose"), schema=schema
        )
    except ModelError as error:
        return otherwise, f"the model gave no usable answer ({error.message})"
    answer = (reply.data or {}).get("to")
    if answer in spec.ask:
        return str(answer), f"{choice.model.name} chose it among {', '.join(spec.ask)}"
    return otherwise, "the model named a target that is not declared"
