"""What the gate costs a call, part by part, with a peer on the same calls in the same run.

    python benchmarks/governance.py [--calls 480] [--rounds 9] [--no-peer] [--no-middleware]

The calls are the sample support desk's, each with the words, results and documents that its run
had read, a few KB of which the last is new to the gate. `gate` is the whole path in memory: facts,
canonical form, provenance, Cedar, audit event. `sqlite` is the same with every decision on disk
before the next. Rounds of all sizes and of the peer take turns; a figure is the median over the
rounds of the percentile within a round. The peer gets an environment of its own under
`benchmarks/.peers`, made with pip on first use.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from governance.calls import Desk, make_desk
from governance.ours import PARTS, Level, make_level
from governance.peer import LEFT_OUT, WE_LEAVE_OUT, Peer
from report import report
from rich.console import Console
from rich.progress import track
from rich.table import Table

from concertmaster.audit import MIGRATIONS, Trail
from concertmaster.storage import Database

ROOT = Path(__file__).resolve().parent.parent
DESK = ROOT / "examples" / "support_desk"
SIZES = (5, 50, 500)
AIMED_AT = 50


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=480, help="timed calls a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-peer", action="store_true", help="leave the peer out")
    parser.add_argument("--no-middleware", action="store_true", help="leave create_agent out")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_figures(options, Path(folder)))
    figures["load_before"], figures["load_after"] = load, os.getloadavg()[0]
    report("Governance", figures)


async def _figures(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    (folder / "data").mkdir()
    desk = make_desk(DESK, folder / "data")
    levels = [make_level(n, desk.tools, folder / f"policies-{n}") for n in SIZES]
    database = Database.open(folder / "home.db", MIGRATIONS)
    peer = None if options.no_peer else Peer.start(desk, SIZES)
    try:
        kinds = {lv.policies: await lv.kinds(desk.cases, Trail(database, "w")) for lv in levels}
        await _rounds(options, desk, levels, database, peer)
    finally:
        database.close()
        if peer:
            peer.stop()
    found = [_level(level, peer, kinds[level.policies]) for level in levels]
    _print(found)
    return {
        "levels": found,
        **_peer_figures(peer),
        "calls": options.calls,
        "rounds": options.rounds,
        "different_calls": len(desk.cases),
        "source_bytes": desk.source_bytes,
        "garbage_collector": "between rounds",
    }


async def _rounds(
    options: argparse.Namespace,
    desk: Desk,
    levels: list[Level],
    database: Database,
    peer: Peer | None,
) -> None:
    few = max(1, options.calls // 8)
    console = Console(stderr=True)
    for _ in track(range(options.rounds), description="rounds", console=console):
        for level in levels:
            await level.measure(desk.cases, options.calls, Trail(database, "w"))
            if peer:
                peer.measure(level.policies, options.calls)
            await level.measure_parts(desk.cases, options.calls, Trail(database, "w"))
            await level.measure_durable(desk.cases, few, Trail(database, "w"))
            if peer:
                peer.measure_cedar(level.policies, few)


def _level(level: Level, peer: Peer | None, kinds: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "policies": level.policies,
        "gate_p50_ms": level.whole.ms(0.5),
        "gate_p99_ms": level.whole.ms(0.99),
        "gate_p99_all_rounds_ms": level.whole.all_ms(0.99),
        "parts": {name: level.parts[name].ms(0.5) for name in PARTS},
        "parts_p99": {name: level.parts[name].ms(0.99) for name in PARTS},
        "decide_p50_ms": level.decide.ms(0.5),
        "decide_p99_ms": level.decide.ms(0.99),
        "sqlite_p50_ms": level.durable.ms(0.5),
        "sqlite_p99_ms": level.durable.ms(0.99),
        "decisions": {kind: kinds.count(kind) for kind in ("allow", "review", "deny")},
    }
    if peer:
        n = level.policies
        same = {"allow": "allow", "require_approval": "review", "deny": "deny"}
        theirs = [same.get(action, action) for action in peer.actions[n]]
        found |= {
            "agt_p50_ms": peer.times[n].ms(0.5),
            "agt_p99_ms": peer.times[n].ms(0.99),
            "agt_agrees": sum(map(str.__eq__, kinds, theirs)) / len(theirs),
            "agt_cedar_p50_ms": peer.cedar_times[n].ms(0.5),
            "agt_cedar_p99_ms": peer.cedar_times[n].ms(0.99),
        }
    return found


def _peer_figures(peer: Peer | None) -> dict[str, Any]:
    if peer is None:
        return {"agt_p50_ms": None, "agt_p99_ms": None}
    return {
        "agt_p50_ms": peer.times[AIMED_AT].ms(0.5),
        "agt_p99_ms": peer.times[AIMED_AT].ms(0.99),
        "agt": {
            "name": "agent-governance-toolkit-core",
            "version": peer.version,
            "policies": AIMED_AT,
            "leaves_out": list(LEFT_OUT),
            "we_leave_out": list(WE_LEAVE_OUT),
        },
    }


def _print(levels: list[dict[str, Any]]) -> None:
    console = Console(stderr=True)
    table = Table(title="Milliseconds a call, by number of policies (p50 / p99)")
    table.add_column("")
    for level in levels:
        table.add_column(str(level["policies"]), justify="right")

    def row(name: str, *pairs: tuple[float, float]) -> None:
        table.add_row(name, *(f"{a:.3f} / {b:.3f}" for a, b in pairs))

    row("gate, in memory", *((v["gate_p50_ms"], v["gate_p99_ms"]) for v in levels))
    for name in PARTS:
        row(f"  {name}", *((v["parts"][name], v["parts_p99"][name]) for v in levels))
    row("  decision alone", *((v["decide_p50_ms"], v["decide_p99_ms"]) for v in levels))
    row("gate, on SQLite", *((v["sqlite_p50_ms"], v["sqlite_p99_ms"]) for v in levels))
    if "agt_p50_ms" in levels[0]:
        row("AGT, its own rules", *((v["agt_p50_ms"], v["agt_p99_ms"]) for v in levels))
        row("AGT, our Cedar", *((v["agt_cedar_p50_ms"], v["agt_cedar_p99_ms"]) for v in levels))
    console.print(table)
    if "agt_p50_ms" in levels[0]:
        for said, listed in (("AGT leaves out", LEFT_OUT), ("we leave out", WE_LEAVE_OUT)):
            console.print(f"{said}:\n" + "\n".join(f"  - {item}" for item in listed))
    sys.stderr.flush()


if __name__ == "__main__":
    main()
