"""From a workspace to an ordinary `CompiledStateGraph`: flat, with named nodes."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from concertmaster.agents.task import Services
from concertmaster.contracts.spec import TERMINALS
from concertmaster.graphs.act import make_act
from concertmaster.graphs.authorize import make_authorize
from concertmaster.graphs.choose import make_choose
from concertmaster.graphs.intake import make_intake
from concertmaster.graphs.leading import Leading
from concertmaster.graphs.review import make_review
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import Input, State
from concertmaster.graphs.steps import make_step
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
    leading = Leading(services, sessions)
    builder: StateGraph[State, Context, Input, State] = StateGraph(
        State, context_schema=Context, input_schema=Input, output_schema=State
    )
    _add_led(builder, "intake", make_intake(services, sessions), leading)
    builder.add_edge(START, "intake")
    executes = False
    for step in workflow.steps:
        node = make_step(step, services, sessions)
        if step.agent == "executor":
            # What an executor proposes meets the gate, whatever the table says.
            executes = True
            builder.add_node(step.id, node)
            builder.add_edge(step.id, "authorize")
        else:
            _add_led(builder, step.id, node, leading)
    if executes:
        _add_action_nodes(builder, services, sessions)
    for terminal in TERMINALS:
        builder.add_node(terminal, make_terminal(terminal, services, sessions))  # type: ignore[arg-type]
        builder.add_edge(terminal, END)
    if leading.options:
        options = tuple(sorted(leading.options))
        builder.add_node("choose", make_choose(services, sessions), destinations=options)
    targets = (*leading.targets, "choose") if leading.options else tuple(leading.targets)
    builder.add_node("supervisor", leading.supervisor(), destinations=tuple(sorted(targets)))
    return builder.compile(checkpointer=checkpointer, name=workflow.workflow)


def _add_led(
    builder: StateGraph[State, Context, Input, State], name: str, node: Any, leading: Leading
) -> None:
    """Add a node from which the supervisor leads on: asked there, or else reached by the edge."""
    builder.add_node(name, leading.led(node))
    builder.add_conditional_edges(name, leading.edge(), {"supervisor": "supervisor"})


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
