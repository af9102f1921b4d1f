"""Recorded runs of AgentDojo, every call of which goes through the gate.

python benchmarks/agentdojo_replay.py --runs FILE… [--suite NAME]… [--jobs N] [--explain]

Permitted calls are executed in AgentDojo's own environment, its own checkers judge the outcome.
A file holds one run a line, plain or gzipped. `pip install agentdojo` gives tools and checkers.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from dojo.counts import Counted, count, figures
from dojo.records import Recorded, read_runs
from report import report
from rich.console import Console
from rich.progress import track


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", action="extend", required=True)
    parser.add_argument("--suite", action="append", default=[], help="only runs of this suite")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--explain", action="store_true", help="list what was asked, what landed")
    options = parser.parse_args()
    runs = read_runs(options.runs, frozenset(options.suite))
    start = time.perf_counter()
    counted = _counted(runs, options.jobs)
    if options.explain:
        _explain(counted)
    found = figures(counted)
    for name, about in found["suites"].items():
        _table(name, about)
    report("AgentDojo replay", {**found, "seconds": time.perf_counter() - start})


def _counted(runs: list[Recorded], jobs: int) -> list[Counted]:
    if jobs < 2 or len(runs) < 2:
        return list(_shown(map(count, runs), len(runs)))
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        return list(_shown(pool.imap(count, runs, chunksize=8), len(runs)))


def _shown(counted: Iterable[Counted], total: int) -> Iterable[Counted]:
    console = Console(stderr=True)
    return track(counted, description="replaying", total=total, console=console)


def _explain(counted: list[Counted]) -> None:
    """List the runs that do not end as they should, with the rules that decided."""
    for one in counted:
        good = one.benign_without_approval or not one.benign_succeeded_recorded
        if one.landed_unapproved or one.landed_with_reviewer or not good:
            ending = "landed" if one.attacked else "lost" if one.benign_lost else "asked"
            print(f"{ending}: {one.run}", *one.decided, sep="\n    ", file=sys.stderr)


def _table(suite: str, about: dict[str, float]) -> None:
    print(f"{suite}", file=sys.stderr)
    for name, value in about.items():
        print(
            f"  {name:28} {value:.3f}" if isinstance(value, float) else f"  {name:28} {value}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
