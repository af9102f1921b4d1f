"""How fast the calls of the past are decided again under other policies.

    python benchmarks/replay.py [--calls N] [--workspace DIR]

Generated calls of the sample support desk (customers and staff, orders of their own and of others,
small and large refunds) are decided by the workspace's gate and recorded through the product's own
stores in a home of its own: plan, trail, and what each decision rested on. A call that may run is
decided twice, as in a run. Then everything is read from that home and decided again, as
`concertmaster policy replay` does it: once under a stricter copy of the policies, which is what is
timed, with every decision also made under the recorded ones, to see that it comes out the same.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from report import report
from rich.console import Console
from rich.progress import Progress

from concertmaster.audit import Trail
from concertmaster.contracts import Action, Deny, History, Label, Past, Principal, Review, Trust
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.evaluation.replay import Difference, Range, Replay, WhatIf, cases
from concertmaster.graphs.workspace import Workspace
from concertmaster.orchestrator.opening import MIGRATIONS
from concertmaster.policies.bases import Bases
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Call, Gate
from concertmaster.policies.provenance import Source, Sources
from concertmaster.storage import Database
from concertmaster.tools.plans import Plans

ROOT = Path(__file__).resolve().parent.parent
BATCH = 500
"""So many calls are stored in one transaction; how they came there is not what is measured."""
STEP = "executor"
REVIEW = ReviewSpec(mode="policy", roles=("finance", "returns-lead", "manager"))
PEOPLE = (
    *(Principal(id=f"customer-{n}", roles=("customer",)) for n in range(400)),
    *(Principal(id=f"staff-{n}", roles=("staff",)) for n in range(20)),
)
TOOLS = ("get_order", "get_payments", "track_shipment", "refund_payment", "cancel_order")


def calls(number: int, seed: int) -> Iterator[tuple[str, Call]]:
    """Yield calls with their runs, a few to a run, the refund or cancellation last."""
    dice = random.Random(seed)
    made = run = 0
    while made < number:
        person, order, total = dice.choice(PEOPLE), dice.randrange(1000, 9999), _cents(dice)
        facts = _facts(dice, person, total)
        wanted = dice.choice(TOOLS)
        tools = [wanted] if wanted not in ("refund_payment", "cancel_order") else TOOLS[:2]
        tools = [*tools, wanted] if wanted not in tools else tools
        run += 1
        done: list[str] = []
        for tool in tools[: number - made]:
            yield f"run-{run:08d}", _call(dice, person, tool, order, facts, done)
            done.append(tool)
            made += 1


def _cents(dice: random.Random) -> int:
    return int(dice.lognormvariate(9, 1.2)) + 100


def _facts(dice: random.Random, person: Principal, total: int) -> dict[str, Any]:
    owner = person.id if dice.random() < 0.9 else "customer-0"
    refunded = 0 if dice.random() < 0.8 else total // 3
    return {
        "customer": owner,
        "days_since_delivery": dice.randrange(-5, 120),
        "dispatched": dice.random() < 0.7,
        "refundable_cents": total - refunded,
        "refunded_cents": refunded,
        "status": dice.choice(["delivered", "shipped", "open"]),
        "total_cents": total,
    }


def _call(
    dice: random.Random,
    person: Principal,
    tool: str,
    order: int,
    facts: Mapping[str, Any],
    done: list[str],
) -> Call:
    arguments: dict[str, Any] = {"order_id": order}
    if tool == "refund_payment":
        cents = min(int(facts["total_cents"]), _cents(dice))
        arguments |= {"amount_cents": cents, "reason": "charged_twice"}
    past = Past(done=frozenset(done), calls=len(done))
    return Call(
        tool=tool,
        arguments=arguments,
        principal=person,
        step=STEP,
        allowed=TOOLS,
        review=REVIEW,
        facts=facts,
        intent="payment_question",
        label=Label(trust=Trust.trusted, sources=("request",)),
        sources=Sources(Source("request", "principal", f"Please look at my order {order}")),
        history=History(run=past, thread=past),
        offered=frozenset(TOOLS),
    )


async def record(database: Database, workspace: Workspace, number: int, seed: int) -> int:
    """Decide the calls and store them as a run does; return how many decisions there are."""
    shapes = workspace.toolbox.shapes()
    gate = Gate(PolicyEngine.load(workspace.policies, shapes), shapes, workspace.name)
    trail = Trail(database, workspace.name)
    bases, plans = Bases(trail, shapes), Plans(database, trail)
    decisions, position, before = 0, 0, ""
    with _bar() as bar:
        task = bar.add_task("recording", total=number)
        for n, (run, call) in enumerate(calls(number, seed), 1):
            position = position + 1 if run == before else 0
            before = run
            decisions += await _record(trail, bases, plans, gate, run, position, call)
            bar.advance(task)
            if n % BATCH == 0:
                await trail.flush()
        await trail.flush()
    return decisions


async def _record(
    trail: Trail, bases: Bases, plans: Plans, gate: Gate, run: str, position: int, call: Call
) -> int:
    action = Action(
        position=position,
        step=STEP,
        tool=call.tool,
        arguments=dict(call.arguments),
        key=call.tool,
        why="generated",
    )
    await plans.save(run, STEP, [action])
    decision = gate.decide(call)
    actors = ("gate",) if isinstance(decision, Deny) else ("gate", "act")
    for actor in actors:
        trail.emit(
            "tool.refused" if isinstance(decision, Deny) else "policy.decided",
            why="; ".join(decision.reasons),
            actor=actor,
            run=run,
            thread=run.replace("run", "t"),
            on_behalf_of=call.principal.id,
            decision=decision.kind,
            tool=call.tool,
            position=position,
            step=STEP,
            call=decision.call,
            policies=list(decision.policies),
            bundle=decision.bundle,
            basis=bases.keep(run, call, decision.provenance),
            needs=[n.model_dump() for n in decision.needs] if isinstance(decision, Review) else [],
            duties=[] if isinstance(decision, Deny) else [d.model_dump() for d in decision.duties],
            approval=None,
        )
    return len(actors)


async def again(
    database: Database, workspace: Workspace, policies: Path, *, check: bool, total: int
) -> tuple[Difference, float]:
    """Decide everything again; return what differs, and the seconds it took, reading included."""
    shapes = workspace.toolbox.shapes()
    other = WhatIf(PolicyEngine.load(policies, shapes), shapes, workspace.name)
    own = WhatIf(PolicyEngine.load(workspace.policies, shapes), shapes, workspace.name)
    replay = Replay(other, own if check else None)
    with _bar() as bar:
        task = bar.add_task("checking" if check else "deciding again", total=total)
        begun = perf_counter()
        async for case in cases(database, Range(workspace=workspace.name), shapes):
            replay.take(case)
            bar.advance(task)
        found = replay.result()
        return found, perf_counter() - begun


def stricter(policies: Path, folder: Path) -> Path:
    """Return a copy of the sample's policies in which no large refund is made any more."""
    shutil.copytree(policies, folder)
    extra = (
        '@id("no-large-refunds") @reason("refunds over 150.00 EUR are made at the counter")\n'
        'forbid (principal, action == Action::"refund_payment", resource)\n'
        "when { context.args.amount_cents > 15000 };\n"
    )
    (folder / "stricter.cedar").write_text(extra, encoding="utf-8")
    return folder


def _bar() -> Progress:
    return Progress(console=Console(stderr=True), transient=True, refresh_per_second=2)


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    workspace = Workspace.load(options.workspace)
    assert workspace.policies is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "home.sqlite3"
        database = Database.open(file, MIGRATIONS)
        try:
            total = await record(database, workspace, options.calls, options.seed)
        finally:
            database.close()
        reading = Database.open(file, read_only=True)
        try:
            policies = stricter(workspace.policies, Path(folder) / "policies")
            found, seconds = await again(reading, workspace, policies, check=False, total=total)
            checked, _ = await again(
                reading, workspace, workspace.policies, check=True, total=total
            )
        finally:
            reading.close()
        return {
            "calls": len(found.calls),
            "decisions_per_s": found.decisions / seconds,
            "decisions": found.decisions,
            "seconds": seconds,
            "exact": found.exact,
            "changed_calls": len(found.changed),
            "checked": checked.checked,
            "not_reproduced": len(checked.mismatched),
            "bytes_of_home": file.stat().st_size,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workspace", type=Path, default=ROOT / "examples" / "support_desk")
    report("Deciding the past again", asyncio.run(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
