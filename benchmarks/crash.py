"""Workers are killed and paused at every boundary of a run; how often its effect took place.

    python benchmarks/crash.py [--kills N] [--seed N] [--workers N] [--lease SECONDS]

A run is one refund that finance has to approve. A worker is struck with SIGKILL, or with SIGSTOP,
exactly where it comes past a boundary; another one then opens the same home. After a SIGKILL it
goes on at once; after a SIGSTOP it waits until the lease has run out, takes the home over, and the
paused worker is woken (SIGCONT) while its successor works or afterwards. A service in the
benchmark's own process counts what really happened. The tool is sync or async, and idempotent, able
to look up its effect, or neither.

`lost`: the run says that it is done, or gave up, and there was no effect. `doubled`: more than one.
`stuck`: the run did not end. `in doubt to person`: nobody can know, the run was escalated to its
owner, and the ledger lists the call. `locked out`: the worker was paused in the middle of a
transaction, and its successor said so instead of working.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from crash.boundaries import BOUNDARIES
from crash.nursery import Nursery
from crash.scenario import ON_ITS_WAY, Finding, Scenario, Stage, play, scenarios
from crash.service import Service
from crash.shop import KINDS, write_workspace
from report import report
from rich.console import Console
from rich.progress import track
from rich.table import Table

CONSOLE = Console(stderr=True, width=110)
AFTER = ("idempotent", "reconciler", "neither")


def main() -> None:
    """Strike, count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, help="strikes in all; by default each one once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--lease", type=float, default=1.0)
    options = parser.parse_args()
    planned = scenarios(BOUNDARIES, KINDS, options.kills, options.seed)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        found = _play(Path(folder), planned, options)
    _print(found)
    report("Crash", _figures(found, options, time.perf_counter() - begun))


def _play(folder: Path, planned: list[Scenario], options: argparse.Namespace) -> list[Finding]:
    workspaces = {kind.name: write_workspace(folder, kind) for kind in KINDS}
    (folder / "homes").mkdir()
    with Service(folder / "service") as service, Nursery(folder) as nursery:
        stage = Stage(folder, workspaces, service, nursery, options.lease)
        with ThreadPoolExecutor(options.workers) as pool:
            playing = [pool.submit(play, stage, scenario) for scenario in planned]
            done: Iterable[object] = as_completed(playing)
            for _ in track(done, total=len(playing), description="strikes", console=CONSOLE):
                pass
        found = [future.result() for future in playing]
    if any(f.problems for f in found):
        kept = Path(tempfile.mkdtemp(prefix="crash-log-")) / "workers.log"
        shutil.copy(folder / "workers.log", kept)
        CONSOLE.print(f"what the workers said: {kept}")
    return found


def _figures(
    found: list[Finding], options: argparse.Namespace, seconds: float
) -> dict[str, object]:
    paused = [f for f in found if f.scenario.pause]
    return {
        "kills": sum(f.kills for f in found),
        "runs": len(found),
        "boundaries": len({f.scenario.boundary for f in found}),
        "takeovers": sum(f.takeovers for f in found),
        "lost_effects": sum(f.lost for f in found),
        "doubled_effects": sum(f.doubled for f in found),
        "stuck_runs": sum(f.stuck for f in found),
        "in_doubt_to_person": sum(f.doubt and f.status == "escalated" for f in found),
        "in_doubt_though_it_happened": sum(f.doubt and f.effects == 1 for f in found),
        "fenced": sum(f.fenced for f in paused),
        "locked_out": sum(f.locked for f in paused),
        "calls_on_their_way": sum(
            f.late for f in paused if f.scenario.boundary in ON_ITS_WAY and not f.locked
        ),
        "problems": sum(bool(f.problems) for f in found),
        "ended": {s: sum(f.status == s for f in found) for s in sorted({f.status for f in found})},
        "lease_s": options.lease,
        "seed": options.seed,
        "seconds": seconds,
    }


def _print(found: list[Finding]) -> None:
    table = Table(title="Boundary × tool: effects, ? in doubt and given to a person")
    table.add_column("boundary")
    columns = [(after, pause) for after in AFTER for pause in (False, True)]
    for after, pause in columns:
        table.add_column(f"{after}\n{'paused' if pause else 'killed'}", justify="center")
    for boundary in BOUNDARIES:
        row = [f for f in found if f.scenario.boundary == boundary]
        cells = [
            _cell(f for f in row if (f.scenario.kind.after, f.scenario.pause) == column)
            for column in columns
        ]
        table.add_row(boundary, *cells)
    CONSOLE.print(table)
    for finding in found:
        for problem in finding.problems:
            s = finding.scenario
            strike = "paused" if s.pause else "killed"
            CONSOLE.print(f"{s.name}: {strike} at {s.boundary}, {s.kind.name}: {problem}")
    sys.stderr.flush()


def _cell(found: Iterable[Finding]) -> str:
    """Return the outcomes of the findings, each once."""
    told = []
    for f in found:
        ended = "?" if f.doubt else "" if f.status == "answered" else f.status
        told.append(f"{f.effects}{ended}{'!' if f.problems else ''}")
    return " / ".join(dict.fromkeys(sorted(told)))


if __name__ == "__main__":
    main()
