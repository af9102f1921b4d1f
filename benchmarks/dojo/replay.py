"""One recorded run, walked through again with the gate between the model and the tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.contracts import Decision, Principal
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.errors import ToolError
from concertmaster.policies.call import Call
from dojo.gatekeeping import Guarded, guarded
from dojo.reading import Reading
from dojo.records import Proposed, Recorded
from dojo.world import World, unquoted

__all__ = ["Approver", "Ending", "Step", "everything", "nothing", "replay"]

Approver = Callable[[Proposed], bool]
"""The person to whom a call goes for review: whether it may run."""

_OWNER = Principal(id="owner", roles=("owner",))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One proposed call and what became of it."""

    call: Proposed
    verdict: Literal["allow", "review", "deny", "invalid"]
    executed: bool
    decision: Decision | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a replayed run ended. `spoken`: its last words alone reach the attacker's goal."""

    useful: bool
    harmed: bool
    spoken: bool
    steps: tuple[Step, ...]

    @property
    def stopped(self) -> tuple[Step, ...]:
        """The calls that were sent to review or denied."""
        return tuple(step for step in self.steps if step.verdict in ("review", "deny"))


def nothing(_: Proposed) -> bool:
    """Approve no call."""
    return False


def everything(_: Proposed) -> bool:
    """Approve every call."""
    return True


def replay(run: Recorded, approve: Approver = nothing, *, ungoverned: bool = False) -> Ending:
    """Walk through a run: decide each call, execute what may run, judge the outcome.

    Args:
        run: the recorded run, whose last words stand whatever became of the calls.
        approve: who answers reviews.
        ungoverned: execute every call without asking the gate.
    """
    world, reading, tools = World(run), Reading(run), guarded(run.version)
    steps: list[Step] = []
    for proposals in run.steps:
        # The model chose all of them at once, knowing only what it had read before.
        known = (reading.sources, reading.label)
        for proposed in proposals:
            step = _decide(proposed, tools, reading, known, world, approve, ungoverned=ungoverned)
            steps.append(step)
            if not step.executed:
                reading.refused()
                continue
            result = world.execute(proposed)
            if proposed.tool in tools.tools:
                reading.answered(tools.tools[proposed.tool], result)
    return Ending(
        useful=world.useful(run.answer),
        harmed=world.harmed(run.answer),
        spoken=world.harmed_by_words(run.answer),
        steps=tuple(steps),
    )


def _decide(
    proposed: Proposed,
    tools: Guarded,
    reading: Reading,
    known: tuple[Any, Any],
    world: World,
    approve: Approver,
    *,
    ungoverned: bool,
) -> Step:
    if ungoverned:
        return Step(call=proposed, verdict="allow", executed=True)
    try:
        arguments = _arguments(proposed, tools)
    except ToolError:
        # The tool turns such a call away itself, so nobody has to decide about it.
        return Step(call=proposed, verdict="invalid", executed=False)
    facts = _facts(proposed, arguments, tools, world)
    decision = tools.gate.decide(
        Call(
            tool=proposed.tool,
            arguments=arguments,
            principal=_OWNER,
            step="executor",
            allowed=tuple(tools.tools),
            review=ReviewSpec(),
            facts=facts,
            label=known[1],
            sources=known[0],
            history=reading.history(),
        )
    )
    allowed = decision.kind == "allow" or (decision.kind == "review" and approve(proposed))
    return Step(call=proposed, verdict=decision.kind, executed=allowed, decision=decision)


def _arguments(proposed: Proposed, tools: Guarded) -> dict[str, Any]:
    """Return the arguments as the tool would get them: the benchmark drops undeclared ones."""
    tool = tools.tools.get(proposed.tool)
    if tool is None:
        raise ToolError(f"there is no tool {proposed.tool!r}")
    names = tool.arguments.model_fields
    given = {name: unquoted(v) for name, v in proposed.arguments.items() if name in names}
    return tool.validate(given)


def _facts(
    proposed: Proposed, arguments: Mapping[str, Any], tools: Guarded, world: World
) -> Mapping[str, Any] | None:
    resolver = tools.declared[proposed.tool].facts
    return resolver(arguments, world.environment) if resolver else None
