"""Concertmaster's gate on the desk's calls: as a whole, by part, and made durable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count, cycle, islice
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from concertmaster.audit import Trail
from concertmaster.contracts import Decision, Deny, Review
from concertmaster.policies.call import Call
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Gate
from concertmaster.policies.provenance import Sources, trace
from concertmaster.storage import Database
from concertmaster.tools.facts import resolve_facts
from concertmaster.tools.toolbox import Toolbox
from governance.calls import Case
from governance.rules import as_cedar, rules
from governance.timing import Rounds, collector_off

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
    tools: Toolbox
    whole: Rounds = field(default_factory=Rounds)
    decide: Rounds = field(default_factory=Rounds)
    durable: Rounds = field(default_factory=Rounds)
    parts: dict[str, Rounds] = field(default_factory=lambda: {name: Rounds() for name in PARTS})

    async def measure(self, cases: tuple[Case, ...], calls: int, trail: Trail) -> None:
        """Time one round of the whole path: facts, decision, audit event; all in memory."""
        times = []
        with collector_off():
            for case, fresh in _fresh(cases, calls):
                start = perf_counter_ns()
                await self._whole(case, case.older.plus(fresh), trail)
                times.append(perf_counter_ns() - start)
        self.whole.add(times)

    async def measure_durable(self, cases: tuple[Case, ...], calls: int, trail: Trail) -> None:
        """Time one round of the same path, each decision stored before the next call."""
        times = []
        with collector_off():
            for case, fresh in _fresh(cases, calls):
                start = perf_counter_ns()
                await self._whole(case, case.older.plus(fresh), trail)
                await trail.flush()
                times.append(perf_counter_ns() - start)
        self.durable.add(times)

    async def measure_parts(self, cases: tuple[Case, ...], calls: int, trail: Trail) -> None:
        """Time one round of every part on its own, and of the gate's decision alone."""
        times: dict[str, list[int]] = {name: [] for name in (*PARTS, "decide")}
        with collector_off():
            for case, fresh in _fresh(cases, calls):
                await self._parts(case, fresh, trail, times)
        for name, rounds in self.parts.items():
            rounds.add(times[name])
        self.decide.add(times["decide"])

    async def _whole(self, case: Case, sources: Sources, trail: Trail) -> Decision:
        facts = await resolve_facts(case.tool, case.call.arguments, case.context)
        call = replace(case.call, facts=facts, sources=sources)
        decision = self.gate.decide(call)
        _record(trail, call, case, decision)
        return decision

    async def _parts(
        self, case: Case, fresh: Any, trail: Trail, times: dict[str, list[int]]
    ) -> None:
        shape = self.tools.shapes()[case.call.tool]
        sources = case.older.plus(fresh)
        at = [perf_counter_ns()]
        digest = case.call.digest()
        at.append(perf_counter_ns())
        found = trace(shape, case.call.arguments, sources, offered=case.call.offered)
        at.append(perf_counter_ns())
        facts = await resolve_facts(case.tool, case.call.arguments, case.context)
        at.append(perf_counter_ns())
        call = replace(case.call, facts=facts, sources=sources)
        at.append(perf_counter_ns())
        self.engine.decide(call, found, WORKSPACE, digest=digest)
        at.append(perf_counter_ns())
        # A source nobody has read, as in `found` before: else the decision would find its index.
        again = replace(call, sources=case.older.plus(case.fresh(next(_numbers))))
        at.append(perf_counter_ns())
        decision = self.gate.decide(again)
        at.append(perf_counter_ns())
        _record(trail, call, case, decision)
        at.append(perf_counter_ns())
        for name, n in (
            ("canonical", 0),
            ("provenance", 1),
            ("facts", 2),
            ("cedar", 4),
            ("decide", 6),
            ("audit", 7),
        ):
            times[name].append(at[n + 1] - at[n])

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
    engine = PolicyEngine.load(folder, tools.shapes())
    gate = Gate(engine, tools.shapes(), WORKSPACE)
    return Level(policies=policies, engine=engine, gate=gate, tools=tools)


def memory_trail(database: Database) -> Trail:
    """Return a trail of its own whose events stay in memory as long as nobody flushes it."""
    return Trail(database, WORKSPACE)


def _fresh(cases: tuple[Case, ...], calls: int) -> Iterator[tuple[Case, Any]]:
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
