"""From a workspace to an ordinary `CompiledStateGraph`: flat, with named nodes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from concertmaster.agents.task import Services
from concertmaster.contracts import Hop
from concertmaster.contracts.spec import TERMINALS
from concertmaster.graphs.act import make_act
from concertmaster.graphs.authorize import make_authorize
from concertmaster.graphs.choose import make_choose
from concertmaster.graphs.intake import make_intake, thread_of
from concertmaster.graphs.review import make_review
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import Input, State, read_turn, update_of
from concertmaster.graphs.steps import make_step
from concertmaster.graphs.supervisor import Ask, RouteTable, route, view_of
from concertmaster.graphs.terminals import make_terminal

__all__ = ["RESERVED", "compile_graph"]

RESERVED = (
    "intake",
    "supervisor",
    "choose",
    "authorize",
    "human_review",
    "act",
    *TERMINALS,
)
"""Node names that no step can take."""

Graph = CompiledStateGraph[State, Context, Input, State]


def compile_graph(
    services: Services, sessions: Sessions, checkpointer: BaseCheckpointSaver[Any] | None
) -> Graph:
    """Compile a workspace's workflow.

    START → intake → supervisor ⇄ steps; executor steps → authorize → (human_review) → act →
    supervisor; finish, escalate, refuse → END.

    Raises:
        ConditionError: a route's condition does not compile.
    """
    workflow = services.spec.workflow
    builder: StateGraph[State, Context, Input, State] = StateGraph(
        State, context_schema=Context, input_schema=Input, output_schema=State
    )
    builder.add_node("intake", make_intake(services, sessions))
    builder.add_node("supervisor", _make_supervisor(services, sessions))
    builder.add_edge(START, "intake")
    builder.add_edge("intake", "supervisor")
    executes = False
    for step in workflow.steps:
        builder.add_node(step.id, make_step(step, services, sessions))
        executor = step.agent == "executor"
        executes = executes or executor
        builder.add_edge(step.id, "authorize" if executor else "supervisor")
    if executes:
        _add_action_nodes(builder, services, sessions)
    targets: dict[Hashable, str] = {step.id: step.id for step in workflow.steps}
    for terminal in TERMINALS:
        builder.add_node(terminal, make_terminal(terminal, services, sessions))  # type: ignore[arg-type]
        builder.add_edge(terminal, END)
        targets[terminal] = terminal
    if any(r.ask for r in workflow.routes):
        options = {o for r in workflow.routes if r.ask for o in (*r.ask, r.otherwise or "escalate")}
        builder.add_node(
            "choose", make_choose(services, sessions), destinations=tuple(sorted(options))
        )
        targets["choose"] = "choose"
    builder.add_conditional_edges("supervisor", _last_hop(frozenset(targets)), targets)
    return builder.compile(checkpointer=checkpointer, name=workflow.workflow)


def _add_action_nodes(
    builder: StateGraph[State, Context, Input, State], services: Services, sessions: Sessions
) -> None:
    builder.add_node(
        "authorize",
        make_authorize(services, sessions),
        destinations=("act", "human_review", "supervisor"),
    )
    builder.add_node("human_review", make_review(services, sessions), destinations=("act",))
    builder.add_node("act", make_act(services, sessions))
    builder.add_edge("act", "supervisor")


def _last_hop(targets: frozenset[Hashable]) -> Any:
    def pick(state: State) -> str:
        turn = read_turn(state)
        to = turn.hops[-1].to if turn.hops else "escalate"
        return to if to in targets else "escalate"

    return pick


def _make_supervisor(services: Services, sessions: Sessions) -> Any:
    table = RouteTable.compile(services.spec)

    async def supervisor(
        state: State, config: RunnableConfig, runtime: Runtime[Context]
    ) -> dict[str, Any]:
        session = sessions.of(runtime, thread_of(config))
        turn = read_turn(state)
        if turn.outcome is not None:
            hop = Hop(to="refuse", why=turn.outcome.cause or "the turn is over")
        else:
            hop = _hop(route(view_of(turn, session.principal), table))
        services.trail.emit(
            "route.hop",
            why=hop.why,
            actor="supervisor",
            run=session.run or turn.run,
            thread=session.thread,
            on_behalf_of=session.principal.id,
            to=hop.to,
            owner=hop.owner,
            route=hop.route,
            hop=len(turn.hops) + 1,
        )
        runtime.stream_writer({"kind": "hopped", "to": hop.to, "why": hop.why})
        update: dict[str, Any] = {"hops": (*turn.hops, hop)}
        if turn.failed is not None and hop.to not in TERMINALS:
            update["failed"] = None
        return update_of(update)

    return supervisor


def _hop(decided: Hop | Ask) -> Hop:
    if isinstance(decided, Ask):
        options = ", ".join(decided.options)
        return Hop(to="choose", why=f"{decided.why}: one of {options}", route=decided.route)
    return decided
