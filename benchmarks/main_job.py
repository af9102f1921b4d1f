"""Speed and size of the main job: import, one turn, a long thread, many threads at once.

python benchmarks/main_job.py [--turns 60] [--thread-turns 200] [--parallel 500]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import percentile, report
from rich.progress import track

import concertmaster as cm

ROOT = Path(__file__).resolve().parent.parent
DESK = ROOT / "examples" / "support_desk"
QUESTIONS = (
    "How long do I have to return something?",
    "What does delivery to Portugal cost?",
    "Do you take back old packaging?",
    "How do I clean a linen shade?",
    "Where do I find my invoice?",
    "How long is the warranty on a floor lamp?",
    "What happens to my data when I close my account?",
    "Can I pay with a gift card and a credit card together?",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--thread-turns", type=int, default=200)
    parser.add_argument("--parallel", type=int, default=500)
    options = parser.parse_args()
    figures: dict[str, float | int] = {
        "import_ms": _process_ms([sys.executable, "-c", "import concertmaster"], base=True),
        "help_ms": _process_ms([sys.executable, "-m", "concertmaster", "--help"], base=False),
    }
    figures.update(asyncio.run(_desk_figures(options)))
    report("Main job", figures)


def _process_ms(command: list[str], *, base: bool, runs: int = 7) -> float:
    """Return the median wall time of a command, less a bare interpreter's when `base`."""

    def once(words: list[str]) -> float:
        start = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - start) * 1000

    once(command)
    taken = statistics.median(once(command) for _ in range(runs))
    if not base:
        return taken
    return taken - statistics.median(once([sys.executable, "-c", "pass"]) for _ in range(runs))


async def _desk_figures(options: argparse.Namespace) -> dict[str, float | int]:
    with tempfile.TemporaryDirectory() as folder:
        async with cm.open(DESK, home=Path(folder) / "home") as desk:
            times = await _turns(desk, options.turns)
            sizes = await _long_thread(desk, options.thread_turns)
            errors, seconds = await _parallel(desk, options.parallel)
    half = options.thread_turns // 2
    return {
        "turn_p50_ms": percentile(times, 0.5),
        "turn_p95_ms": percentile(times, 0.95),
        "bytes_200_turns": sizes[options.thread_turns],
        "bytes_100_turns": sizes[half],
        "thread_turns": options.thread_turns,
        "parallel_threads": options.parallel,
        "parallel_errors": errors,
        "parallel_s": seconds,
    }


async def _turns(desk: cm.Desk, count: int) -> list[float]:
    questions = itertools.cycle(QUESTIONS)
    for question in itertools.islice(questions, 4):
        await desk.run(question, principal="ana")
    times = []
    for _ in track(range(count), description="turns", console=_stderr()):
        start = time.perf_counter()
        run = await desk.run(next(questions), principal="ana")
        times.append((time.perf_counter() - start) * 1000)
        if run.status not in ("answered", "escalated"):
            raise SystemExit(f"a turn ended as {run.status}: {run.outcome.cause}")
    return times


async def _long_thread(desk: cm.Desk, turns: int) -> dict[int, int]:
    """Return what the database grew by after half and after all turns of one thread."""
    before = _size(desk.database.path)
    sizes = {}
    questions = itertools.cycle(QUESTIONS)
    for turn in track(range(1, turns + 1), description="one thread", console=_stderr()):
        await desk.run(next(questions), principal="ana", thread="long")
        if turn in (turns // 2, turns):
            sizes[turn] = _size(desk.database.path) - before
    return sizes


def _size(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    return int((pages - free) * size)


async def _parallel(desk: cm.Desk, count: int) -> tuple[int, float]:
    start = time.perf_counter()
    questions = itertools.islice(itertools.cycle(QUESTIONS), count)
    runs = await asyncio.gather(
        *(desk.run(q, principal="ana", thread=f"p-{i}") for i, q in enumerate(questions)),
        return_exceptions=True,
    )
    wrong = [r for r in runs if isinstance(r, BaseException) or r.status == "failed"]
    for error in wrong[:3]:
        print(f"parallel: {error!r}", file=sys.stderr)
    return len(wrong), time.perf_counter() - start


def _stderr() -> object:
    from rich.console import Console

    return Console(stderr=True)


if __name__ == "__main__":
    main()
