"""Puts the writes of recorded runs to the gate, as they were proposed then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from concertmaster.contracts import Decision, History, Past, Principal
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.errors import ToolError
from concertmaster.policies import Call, Gate, PolicyEngine
from concertmaster.tools import Tool, ToolContext
from concertmaster.tools.facts import resolve_facts
from tau_airline.books import Database
from tau_airline.desk import Desk
from tau_airline.recording import Recording, Step
from tau_airline.tools import airline_tools

__all__ = ["POLICIES", "Airline", "Judged"]

POLICIES = Path(__file__).parent / "policies"
AGENT = Principal(id="airline-agent", roles=("agent",))
_REVIEW = ReviewSpec()


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A recorded write with the gate's decision."""

    step: Step
    decision: Decision


class Airline:
    """The airline's tools and rules over its database.

    What was executed in a recording stays executed: later calls are decided over the recorded
    world, whatever was decided about earlier ones, so each write is judged on its own.
    """

    def __init__(self, database: Database, policies: Path = POLICIES) -> None:
        self._database = database
        shapes = {n: t.shape() for n, t in airline_tools(Desk.of(database)).items()}
        self.engine = PolicyEngine.load(policies, shapes)
        self.gate = Gate(self.engine, shapes, "tau-airline")
        self._names = tuple(shapes)

    async def replay(self, recording: Recording) -> list[Judged]:
        """Return the gate's decision about each executed write of a run."""
        desk = Desk.of(self._database)
        tools, judged = airline_tools(desk), []
        for number, step in enumerate(recording.steps):
            if step.is_write and step.executed:
                desk.turn(recording, step)
                past = _past(recording.steps[:number])
                decision = await self.decide(tools[step.tool], step, History(run=past, thread=past))
                judged.append(Judged(step=step, decision=decision))
            desk.follow(step)
        return judged

    async def decide(self, tool: Tool, step: Step, history: History) -> Decision:
        """Return the gate's decision about one call, with facts resolved now."""
        arguments, facts, wrong = dict(step.arguments), None, None
        try:
            arguments = tool.validate(step.arguments)
            facts = await resolve_facts(tool, arguments, _context())
        except ToolError as error:
            wrong = error.message
        return self.gate.decide(
            Call(
                tool=tool.name,
                arguments=arguments,
                principal=AGENT,
                step="agent",
                allowed=self._names,
                review=_REVIEW,
                facts=facts,
                facts_error=wrong,
                history=history,
            )
        )


def _past(steps: tuple[Step, ...]) -> Past:
    return Past(
        done=frozenset(s.tool for s in steps if s.executed),
        calls=len(steps),
        consequential=sum(s.is_write for s in steps),
    )


def _context() -> ToolContext:
    return ToolContext(
        principal=AGENT, run="replay", thread="replay", idempotency_key="", data_dir=Path()
    )
