"""Concertmaster's gate on the desk's calls: as a whole, by part, and made durable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count, cycle, islice
from pathlib import Path
from time import perf_counter_ns

from concertmaster.audit import Trail
from concertmaster.contracts import Decision, Deny, Review, ToolShape
from concertmaster.policies.call import Call
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Gate
from concertmaster.policies.provenance import Source, Sources, trace
from concertmaster.tools.facts import resolve_facts
from concertmaster.tools.toolbox import Toolbox
from governance.calls import Case
from governance.rules import as_cedar, rules
from governance.timing import Clock, Rounds, collector_off

__all__ = ["PARTS", "WORKSPACE", "Level", "make_level"]

WORKSPACE = "support_desk"
PARTS = ("canonical", "provenance", "facts", "cedar", "audit")

_numbers = count()


@dataclass(frozen=True, kw_only=True)
class Level:
    """A gate with so many policies, and what was measured of it."""

    policies: int
    engine: PolicyEngine
    gate: Gate
    shapes: Mapping[str, ToolShape]
    whole: Rounds = field(default_factory=Rounds)
    ready: Rounds = field(default_factory=Rounds)
    durable: Rounds = field(default_factory=Rounds)
    parts: dict[str, Rounds] = field(default_factory=lambda: {name: Rounds() for name in PARTS})

    async def measure(self, cases: tuple[Case, ...], calls: int, trail: Trail) -> None:
        """Time one round of the whole path: facts, decision, audit event; all in memory."""
        clock = Clock()
        with collector_off():
            for case, fresh in _fresh(cases, calls):
                clock.start()
                await self._whole(case, case.older.plus(fresh), trail)
                clock.stop()
        self.whole.add(clock.wall, clock.cpu)

    async def measure_durable(self, cases: tuple[Case, ...], calls: int, trail: Trail) -> None:
        """Time one round of the same path, each decision stored before the next call."""
        clock = Clock()
        with collector_off():
            for case, fresh in _fresh(cases, calls):
                clock.start()
                await self._whole(case, case.older.plus(fresh), trail)
                await trail.flush()
                clock.stop()
        self.durable.add(clock.wall, clock.cpu)

    async def measure_parts(self, cases: tuple[Case, ...], calls: int, trail: Trail) -> None:
        """Time one round part by part, in the order in which the whole path has them."""
        times: dict[str, list[int]] = {name: [] for name in PARTS}
        with collector_off():
            for case, fresh in _fresh(cases, calls):
                for name, taken in (await self._parts(case, fresh, trail)).items():
                    times[name].append(taken)
        for name, rounds in self.parts.items():
            rounds.add(times[name], [])

    def measure_ready(self, cases: tuple[Case, ...], calls: int, trail: Trail) -> None:
        """Time one round of decision and audit event for calls whose facts are at hand."""
        clock = Clock()
        with collector_off():
            for case, fresh in _fresh(cases, calls):
                call = replace(case.call, facts=case.facts)
                clock.start()
                decision = self.gate.decide(replace(call, sources=case.older.plus(fresh)))
                _record(trail, call, case, decision)
                clock.stop()
        self.ready.add(clock.wall, clock.cpu)

    async def _whole(self, case: Case, sources: Sources, trail: Trail) -> Decision:
        facts = await resolve_facts(case.tool, case.call.arguments, case.context)
        call = replace(case.call, facts=facts, sources=sources)
        decision = self.gate.decide(call)
        _record(trail, call, case, decision)
        return decision

    async def _parts(self, case: Case, fresh: Source, trail: Trail) -> dict[str, int]:
        arguments, offered = case.call.arguments, case.call.offered
        shape = self.shapes[case.call.tool]
        at = [perf_counter_ns()]
        facts = await resolve_facts(case.tool, arguments, case.context)
        at.append(perf_counter_ns())
        digest = case.call.digest()
        at.append(perf_counter_ns())
        sources = case.older.plus(fresh)
        provenance = trace(shape, arguments, sources, offered=offered)
        at.append(perf_counter_ns())
        call = replace(case.call, facts=facts, sources=sources)
        decision = self.engine.decide(call, provenance, WORKSPACE, digest=digest)
        at.append(perf_counter_ns())
        _record(trail, call, case, decision)
        at.append(perf_counter_ns())
        order = ("facts", "canonical", "provenance", "cedar", "audit")
        return {
            name: after - before for name, before, after in zip(order, at[:-1], at[1:], strict=True)
        }

    async def kinds(self, cases: tuple[Case, ...], trail: Trail) -> list[str]:
        """Return what is decided about each call, once; what was read before is read here."""
        return [
            (await self._whole(case, case.older.plus(fresh), trail)).kind
            for case, fresh in _fresh(cases, len(cases))
        ]


def make_level(policies: int, tools: Toolbox, folder: Path) -> Level:
    """Write so many policies to a folder, have them loaded and checked, and make their gate."""
    folder.mkdir()
    (folder / "generated.cedar").write_text(as_cedar(rules(policies)), encoding="utf-8")
    shapes = tools.shapes()
    engine = PolicyEngine.load(folder, shapes)
    gate = Gate(engine, shapes, WORKSPACE)
    return Level(policies=policies, engine=engine, gate=gate, shapes=shapes)


def _fresh(cases: tuple[Case, ...], calls: int) -> Iterator[tuple[Case, Source]]:
    """Yield the calls, each with a last source that is new to everybody."""
    for case in list(islice(cycle(cases), calls)):
        yield case, case.fresh(next(_numbers))


def _record(trail: Trail, call: Call, case: Case, decision: Decision) -> None:
    trail.emit(
        "tool.refused" if isinstance(decision, Deny) else "policy.decided",
        why="; ".join(decision.reasons) or f"decided: {decision.kind}",
        actor="gate",
        run=case.context.run,
        thread=case.context.thread,
        on_behalf_of=call.principal.id,
        decision=decision.kind,
        tool=call.tool,
        position=0,
        step=call.step,
        call=decision.call,
        policies=list(decision.policies),
        bundle=decision.bundle,
        needs=[need.model_dump() for need in decision.needs]
        if isinstance(decision, Review)
        else [],
    )
