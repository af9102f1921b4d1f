"""Six steps and one effect kept on disk: Concertmaster, LangGraph's SqliteSaver, DBOS on SQLite.

    python benchmarks/durable.py [--runs 50] [--rounds 6] [--kills 1] [--no-peer]

Each system runs the same work in a process of its own, on a database of its own; their rounds take
turns. Then each is killed with SIGKILL in the middle of a run, three times at different places,
and another process takes up what is left. Calls of fsync are counted in a further process.
`survives` follows from both: `sigkill` if no run was lost and no effect on record was repeated;
`power_loss` if, besides, each commit waits for the disk (`synchronous`, as the system's own
connections say; no power was cut). Names that end in `_normal` do not wait for the disk.
DBOS gets an environment of its own under `benchmarks/.peers`, made with pip on first use.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from durable.counting import Count, counter
from durable.figures import BESIDES, Times, ratios, show, survives
from durable.killing import PLACES, killed
from durable.systems import SYSTEMS, Process, Variant
from durable.work import STEPS
from report import percentile, report

UNITS = len(STEPS) + 1
"""What a run consists of: the steps and the effect."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="timed runs a round")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--warm-up", type=int, default=10, help="runs before the first round")
    parser.add_argument("--counted", type=int, default=40, help="runs whose fsyncs are counted")
    parser.add_argument("--kills", type=int, default=1, help="kills at each place")
    parser.add_argument("--no-peer", action="store_true", help="leave DBOS out")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these systems alone")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="durable-") as folder:
        figures = _figures(options, Path(folder))
    figures["load_before"], figures["load_after"] = load, os.getloadavg()[0]
    report("Durable", figures)


def _figures(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    chosen = [v for v in SYSTEMS if not (options.no_peer and v.peer)]
    if options.only:
        chosen = [v for v in chosen if v.name in options.only]
    times, settings, commits = _timed(chosen, options, folder / "timed")
    (folder / "counting").mkdir()
    count = counter(folder / "counting")
    systems: dict[str, Any] = {}
    for variant in chosen:
        _tell(f"{variant.name}: fsyncs and kills")
        said = settings[variant.name]
        left = {
            place: [
                killed(variant, place, folder / f"{variant.name}-{n}-{entry}")
                for n in range(options.kills)
            ]
            for entry, place in enumerate(PLACES)
        }
        systems[variant.name] = {
            "version": said["version"],
            "survives": survives(left, said["connections"]),
            **times[variant.name].figures(),
            **_counted(variant, count, options, folder / f"{variant.name}-counted"),
            "connections": [dict(zip(_SAID, c, strict=True)) for c in said["connections"]],
            "killed": {place: [one.as_told() for one in found] for place, found in left.items()},
        }
    show(systems)
    return {
        "systems": systems,
        "ratios": ratios(systems),
        "concertmaster_does_besides": list(BESIDES),
        "counted_with": count.name if count else None,
        "one_commit_p50_ms": percentile([float(n) for n in commits], 0.5) / 1e6,
        "runs": options.runs,
        "rounds": options.rounds,
        "units": UNITS,
    }


_SAID = ("journal_mode", "synchronous")


def _timed(
    chosen: list[Variant], options: argparse.Namespace, folder: Path
) -> tuple[dict[str, Times], dict[str, Any], list[int]]:
    """Return the times of each system, what its connections say, and what one commit takes."""
    processes = [Process(variant, folder / variant.name) for variant in chosen]
    times = {variant.name: Times() for variant in chosen}
    commits: list[int] = []
    try:
        for process in processes:
            process.ask("runs", runs=options.warm_up)
        for number in range(options.rounds):
            _tell(f"round {number + 1}/{options.rounds}")
            commits += _commits(folder / "one.sqlite")
            # Each round begins with another system, so that none always follows the same one.
            begin = number % len(processes)
            for process in (*processes[begin:], *processes[:begin]):
                found = process.ask("runs", runs=options.runs)
                times[process.variant.name].add(found["wall"], found["cpu"])
        settings = {process.variant.name: process.ask("settings") for process in processes}
    finally:
        for process in processes:
            process.stop()
    return times, settings, commits


def _counted(
    variant: Variant, count: Count | None, options: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """Return the calls of fsync per run and per step; None where they cannot be counted."""
    if count is None:
        return {"fsyncs_per_step": None, "fsyncs_per_run": None, "fsyncs_by_file": None}
    process = Process(variant, folder, count=count)
    try:
        process.ask("runs", runs=options.warm_up)
        before = count.read()
        process.ask("runs", runs=options.counted)
        # What the process does when it ends is not a run's.
        calls = count.read() - before
    finally:
        process.stop()
    per_run = calls.total() / options.counted
    return {
        "fsyncs_per_step": per_run / UNITS,
        "fsyncs_per_run": per_run,
        "fsyncs_by_file": {kind: n / options.counted for kind, n in sorted(calls.items())},
    }


def _commits(path: Path) -> list[int]:
    """Return what one commit of one row takes, with a write-ahead log and `synchronous=FULL`."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS rows (text TEXT)")
    taken = []
    for _ in range(20):
        began = perf_counter_ns()
        connection.execute("INSERT INTO rows VALUES ('a row')")
        taken.append(perf_counter_ns() - began)
    connection.close()
    return taken


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
