"""The supervisor at work: the next hop is decided, recorded, and the run sent on to it.

The decision is `supervisor.route`, whoever asks for it. It is asked for at the end of each step
that can go anywhere, in the step's own node, which saves a superstep for each hop; the node
`supervisor` asks for it wherever several ways come together, and after a fork.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Command

from concertmaster.agents.task import Services
from concertmaster.contracts import Hop, Turn
from concertmaster.contracts.spec import TERMINALS
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import State, merge_turn, read_turn, update_of
from concertmaster.graphs.supervisor import Ask, RouteTable, route, view_of

__all__ = ["Leading"]


class Leading:
    """Leads the runs of one graph from node to node.

    Raises:
        ConditionError: a route's condition does not compile.
    """

    def __init__(self, services: Services, sessions: Sessions) -> None:
        workflow = services.spec.workflow
        self._services = services
        self._sessions = sessions
        self._table = RouteTable.compile(services.spec)
        self.targets = frozenset((*(step.id for step in workflow.steps), *TERMINALS))
        self.options = frozenset(
            o for r in workflow.routes if r.ask for o in (*r.ask, r.otherwise or "escalate")
        )
        # The tasks that sent their run on by themselves, until their edge was looked at.
        self._sent_on: set[str] = set()

    def supervisor(self) -> Any:
        """Return the node `supervisor`."""

        async def supervisor(
            state: State, config: RunnableConfig, runtime: Runtime[Context]
        ) -> Command[Any]:
            to, fields = self._decide(read_turn(state), config, runtime)
            return Command(update=update_of(fields), goto=to)

        return supervisor

    def led(self, node: Any) -> Any:
        """Return a node that does what `node` does, and then goes where the table says."""

        async def led(
            state: State, config: RunnableConfig, runtime: Runtime[Context]
        ) -> Command[Any]:
            update: dict[str, Any] = await node(state, config, runtime)
            return self.onward(state, update, config, runtime)

        led.__name__ = node.__name__
        return led

    def onward(
        self,
        state: Mapping[str, Any],
        update: dict[str, Any],
        config: RunnableConfig,
        runtime: Runtime[Context],
    ) -> Command[Any]:
        """Return a node's update with the next hop in it, and the way there."""
        changed = update.get("turn") or {}
        turn = read_turn({"turn": merge_turn(state.get("turn"), changed)})
        to, fields = self._decide(turn, config, runtime)
        self._sent_on.add(_task(config))
        return Command(update={**update, "turn": {**changed, **update_of(fields)["turn"]}}, goto=to)

    def edge(self) -> Runnable[Any, Any]:
        """Return what leads on from a node to the supervisor, unless it sent the run on itself.

        So a state that is written `as_node` goes on like one that the node returned.
        """
        return _Edge(self._sent_on)

    def _decide(
        self, turn: Turn, config: RunnableConfig, runtime: Runtime[Context]
    ) -> tuple[str, dict[str, Any]]:
        """Return the node that comes next, and the fields of the turn that say so."""
        session = self._sessions.of(runtime, thread_of(config))
        if turn.outcome is not None:
            ended = "finish" if turn.outcome.status == "answered" else "refuse"
            hop = Hop(to=ended, why=turn.outcome.cause or "the turn is over")
        else:
            hop = _hop(route(view_of(turn, session.principal), self._table))
        self._services.trail.emit(
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
        fields: dict[str, Any] = {"hops": (*turn.hops, hop)}
        if turn.failed is not None and hop.to not in TERMINALS:
            fields["failed"] = None
        known = hop.to in self.targets or (hop.to == "choose" and self.options)
        return (hop.to if known else "escalate"), fields


class _Edge(Runnable[Any, Any]):
    """Leads to the supervisor, unless the task is among those that sent their run on.

    A function would do. LangGraph runs one in a task of its own and tells the callbacks of its
    beginning and its end, each in another task, which costs more than a step's other bookkeeping.
    """

    name = "edge"

    def __init__(self, sent_on: set[str]) -> None:
        self._sent_on = sent_on

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:
        task = _task(config or {})
        if task in self._sent_on:
            self._sent_on.remove(task)
            return []
        return "supervisor"

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:
        return self.invoke(input, config)


def _hop(decided: Hop | Ask) -> Hop:
    if isinstance(decided, Ask):
        options = ", ".join(decided.options)
        return Hop(to="choose", why=f"{decided.why}: one of {options}", route=decided.route)
    return decided


def _task(config: RunnableConfig) -> str:
    return str(config.get("configurable", {}).get("checkpoint_ns", ""))
