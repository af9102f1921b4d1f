"""What the gate costs a call, part by part, with a peer on the same calls in the same run.

    python benchmarks/governance.py [--calls 480] [--rounds 9] [--no-peer] [--no-middleware]

The calls are the sample support desk's, each with the words, results and documents that its run
had read, a few KB of which the last is new to the gate. `gate` is the whole path in memory: facts,
canonical form, provenance, Cedar, audit event. With the facts at hand, as the peer is given them,
it is `ready`. `sqlite` is the whole path with every decision on disk before the next call.
Rounds of all sizes and of the peer take turns; a figure is the median over the rounds of the
percentile within a round. Beside the time on the wall stands what the processor spent: on a busy
machine, the wall's p99 is about its other users. The peer gets an environment of its own under
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
from governance.timing import Rounds, progress
from report import report
from rich.console import Console
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
        **await _middleware(options, desk, folder / "agent"),
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
    for _ in progress(range(options.rounds), "round"):
        for level in levels:
            await level.measure(desk.cases, options.calls, Trail(database, "w"))
            if peer:
                peer.measure(level.policies, options.calls)
            await level.measure_parts(desk.cases, options.calls, Trail(database, "w"))
            level.measure_ready(desk.cases, options.calls, Trail(database, "w"))
            await level.measure_durable(desk.cases, few, Trail(database, "w"))
            if peer:
                peer.measure_cedar(level.policies, few)


def _level(level: Level, peer: Peer | None, kinds: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "policies": level.policies,
        **_times("gate", level.whole),
        "parts": {name: level.parts[name].ms(0.5) for name in PARTS},
        "parts_p99": {name: level.parts[name].ms(0.99) for name in PARTS},
        **_times("ready", level.ready),
        **_times("sqlite", level.durable),
        "decisions": {kind: kinds.count(kind) for kind in ("allow", "review", "deny")},
    }
    if peer:
        n = level.policies
        same = {"allow": "allow", "require_approval": "review", "deny": "deny"}
        theirs = [same.get(action, action) for action in peer.actions[n]]
        agreed = sum(map(str.__eq__, kinds, theirs)) / len(theirs)
        found |= {**_times("agt", peer.times[n]), "agt_agrees": agreed}
        found |= _times("agt_cedar", peer.cedar_times[n])
    return found


def _times(name: str, rounds: Rounds) -> dict[str, float]:
    return {
        f"{name}_p50_ms": rounds.ms(0.5),
        f"{name}_p99_ms": rounds.ms(0.99),
        f"{name}_cpu_p50_ms": rounds.cpu_ms(0.5),
        f"{name}_cpu_p99_ms": rounds.cpu_ms(0.99),
    }


def _peer_figures(peer: Peer | None) -> dict[str, Any]:
    if peer is None:
        return {"agt_p50_ms": None, "agt_p99_ms": None}
    return {
        **_times("agt", peer.times[AIMED_AT]),
        "agt": {
            "name": "agent-governance-toolkit-core",
            "version": peer.version,
            "policies": AIMED_AT,
            "leaves_out": list(LEFT_OUT),
            "we_leave_out": list(WE_LEAVE_OUT),
        },
    }


async def _middleware(options: argparse.Namespace, desk: Desk, folder: Path) -> dict[str, Any]:
    if options.no_middleware:
        return {"middleware_added_ms": None}
    # LangChain takes seconds to import, and is not needed for the rest.
    from governance.middleware import added

    return {**await added(desk, folder, max(5, options.calls // 2))}


def _print(levels: list[dict[str, Any]]) -> None:
    console = Console(stderr=True)
    table = Table(title="Milliseconds a call, by number of policies (p50 / p99)")
    table.add_column("")
    for level in levels:
        table.add_column(str(level["policies"]), justify="right")

    def row(said: str, name: str) -> None:
        for kind, middle in (("wall", ""), ("cpu", "cpu_")):
            keys = [f"{name}_{middle}{share}_ms" for share in ("p50", "p99")]
            cells = (" / ".join(f"{v[key]:.3f}" for key in keys) for v in levels)
            table.add_row(said if kind == "wall" else "  processor time", *cells)

    row("gate, in memory", "gate")
    for part in PARTS:
        cells = (f"{v['parts'][part]:.3f} / {v['parts_p99'][part]:.3f}" for v in levels)
        table.add_row(f"  {part}", *cells)
    row("gate, facts at hand", "ready")
    row("gate, on SQLite", "sqlite")
    if "agt_p50_ms" in levels[0]:
        row("AGT, its own rules", "agt")
        row("AGT, our Cedar", "agt_cedar")
    console.print(table)
    if "agt_p50_ms" in levels[0]:
        for said, listed in (("AGT leaves out", LEFT_OUT), ("we leave out", WE_LEAVE_OUT)):
            console.print(f"{said}:\n" + "\n".join(f"  - {item}" for item in listed))
    sys.stderr.flush()


if __name__ == "__main__":
    main()
