"""What a run costs beside the agent frameworks that people use: processor time and wall time.

    python benchmarks/peers.py run [--runs 40] [--rounds 6] [--only NAME…]

Each peer is one file under `benchmarks/peers`, run with its own interpreter, and makes two calls of
the same model and one of the same tool in each run, every run on a thread of its own. (The support
desk asks no model.) The model is a loopback server in a process of its own, whose time is not
counted. `cpu_ms` is what the client's process spends on a run one at a time, all its threads
together, the median of the rounds; `cpu_16_ms` the same with 16 at once. Rounds take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from environments import installed
from peers.catalog import PEERS, Peer
from report import percentile, report
from rich.console import Console
from rich.table import Table

_ROOT = Path(__file__).resolve().parent
LEVELS = (1, 16)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run",))
    parser.add_argument("--runs", type=int, default=40, help="runs a round")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--warm-up", type=int, default=20, help="runs before the first round")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these peers alone")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        peers = _run(options, Path(folder))
    _show(peers)
    settings = {"runs": options.runs, "rounds": options.rounds}
    loads = {"load_before": load, "load_after": os.getloadavg()[0]}
    report("Peers", {"peers": peers, **settings, **loads})


def _run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    chosen = [p for p in PEERS if not options.only or p.name in options.only]
    found: dict[str, dict[int, list[dict[str, Any]]]] = {
        p.name: {level: [] for level in LEVELS} for p in chosen
    }
    with ExitStack() as stack:
        url = stack.enter_context(_served())
        children = [stack.enter_context(_Child(peer, url, folder)) for peer in chosen]
        for child in children:
            child.ask(runs=options.warm_up, at_once=1)
        for number in range(options.rounds):
            print(f"round {number + 1}/{options.rounds}", file=sys.stderr)
            # Each round begins with another peer, so that none always follows the same one.
            begin = number % len(children)
            for child in (*children[begin:], *children[:begin]):
                for level in LEVELS:
                    answer = child.ask(runs=options.runs, at_once=level)
                    found[child.peer.name][level].append(answer)
        versions = {child.peer.name: child.version for child in children}
    base = found.get("create_agent")
    return {name: _figures(versions[name], levels, base) for name, levels in found.items()}


def _figures(
    version: str,
    levels: dict[int, list[dict[str, Any]]],
    base: dict[int, list[dict[str, Any]]] | None,
) -> dict[str, Any]:
    figures: dict[str, Any] = {"version": version}
    for level, rounds in levels.items():
        suffix = "" if level == 1 else f"_{level}"
        wall = [ms for found in rounds for ms in found["wall_ms"]]
        spent = [found["cpu_ms"] for found in rounds]
        figures[f"cpu{suffix}_ms"] = statistics.median(spent)
        figures[f"cpu{suffix}_least_ms"] = min(spent)
        figures[f"p50{suffix}_ms"] = percentile(wall, 0.5)
        if base is not None:
            pairs = zip(spent, (found["cpu_ms"] for found in base[level]), strict=True)
            figures[f"cpu{suffix}_ratio"] = statistics.median(own / other for own, other in pairs)
    return figures


class _Child:
    """A peer's process."""

    def __init__(self, peer: Peer, url: str, folder: Path) -> None:
        self.peer = peer
        own = folder / peer.name
        own.mkdir()
        requirements = peer.requirements
        python = installed(peer.name, *requirements) if requirements else Path(sys.executable)
        self._said = folder / f"{peer.name}.txt"
        with self._said.open("wb") as said:
            self._process = _started(python, f"peers.{peer.module}", url, str(own), said=said)
        self.version = str(self._answer()["version"])

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        _ended(self._process)

    def ask(self, **question: int) -> dict[str, Any]:
        """Have it do a round."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _ended(self._process)
            said = self._said.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise SystemExit(f"{self.peer.name} ended\n{said}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def _served() -> Iterator[str]:
    """Run the model's server; give its URL."""
    process = _started(Path(sys.executable), "peers.server")
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        _ended(process)


def _started(
    python: Path, module: str, *arguments: str, said: IO[bytes] | None = None
) -> subprocess.Popen[str]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [python, "-W", "ignore", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def _ended(process: subprocess.Popen[str]) -> None:
    """Close its input, and end it if it goes on."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.close()
        process.wait(timeout=30)
    except (BrokenPipeError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    process.stdout.close()


def _show(peers: dict[str, Any]) -> None:
    columns = ("cpu_ms", "cpu_ratio", "p50_ms", "cpu_16_ms", "cpu_16_ratio", "p50_16_ms")
    table = Table(title="A run, two model calls and one tool call")
    for name in ("peer", *columns):
        table.add_column(name, justify="left" if name == "peer" else "right")
    for name, figures in peers.items():
        table.add_row(name, *(f"{figures[c]:.2f}" if c in figures else "–" for c in columns))
    Console(stderr=True).print(table)


if __name__ == "__main__":
    main()
