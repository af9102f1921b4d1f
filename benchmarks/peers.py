"""What a run costs beside the agent frameworks that people use: time, memory, bytes.

    python benchmarks/peers.py run [--runs 40] [--rounds 6] [--only NAME…]
    python benchmarks/peers.py build|growth|throughput [--only NAME…]

Each peer is one file under `benchmarks/peers`, run with its own interpreter, and makes two calls of
the same model and one of the same tool in each run, every run on a thread of its own. (The support
desk asks no model; a supervisor of LangGraph asks four times; `model_calls` tells.) The model is a
loopback server in a process of its own, whose time is not counted.

`run`: `cpu_ms` is what the client's process spends on a run one at a time, all its threads
together, the median of the rounds; `cpu_16_ms` the same with 16 at once. Rounds take turns.
`build`: the first ready agent, once everything is imported, and each of a thousand more, with its
memory. Ours is compiled once and serves all threads and principals; a further one shares what the
first has loaded, as the peers' share client, model and tool.
`growth`: one conversation of 200 turns with messages of 700 characters, bytes on disk and time.
`throughput`: threads finished per second with a model that takes 200 ms, 1 to 1,000 in flight.

A peer that cannot be installed, started or carried through is among the figures with its `error`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from peers.catalog import PEERS, Peer
from peers.children import Child, Gone, asked, served
from peers.figures import build_figures, growth_figures, run_figures, throughput_figures
from peers.server import MESSAGE
from report import report
from rich.console import Console
from rich.table import Table

LEVELS = (1, 16)
FLIGHTS = {1: 4, 10: 30, 100: 200, 1000: 1000}
"""How many runs are measured with so many in flight."""
TURNS = (1, 50, 100, 200)
MODEL_SECONDS = 0.2
PATIENCE = 900.0
"""Seconds that a peer has for one answer; 200 durable turns on a busy disk take minutes."""

Figures = dict[str, dict[str, Any]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=tuple(MEASUREMENTS))
    parser.add_argument("--runs", type=int, default=40, help="runs a round (run)")
    parser.add_argument("--rounds", type=int, default=6, help="(run)")
    parser.add_argument("--warm-up", type=int, default=20, help="runs before the first round")
    parser.add_argument("--agents", type=int, default=1000, help="how many are built (build)")
    parser.add_argument("--turns", type=int, default=200, help="how long a thread gets (growth)")
    parser.add_argument("--flights", type=int, default=1000, help="at most in flight (throughput)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these peers alone")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    chosen = [
        peer
        for peer in PEERS
        if (not options.only or peer.name in options.only) and peer.does(options.what)
    ]
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        peers = MEASUREMENTS[options.what](chosen, options, Path(folder))
    _show(options.what, peers)
    loads = {"load_before": load, "load_after": os.getloadavg()[0]}
    settings = {"runs": options.runs, "rounds": options.rounds} if options.what == "run" else {}
    report("Peers", {"what": options.what, "peers": peers, **settings, **loads})


def _run(chosen: list[Peer], options: argparse.Namespace, folder: Path) -> Figures:
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    figures: Figures = {peer.name: {"version": None} for peer in chosen}
    with ExitStack() as stack:
        url = stack.enter_context(served())
        children = _started(chosen, url, folder, figures, stack)
        for child in children[:]:
            before = asked(url)
            if _told(child, children, figures, runs=options.warm_up, at_once=1):
                calls = (asked(url) - before) / options.warm_up
                figures[child.peer.name]["model_calls"] = calls
                found[child.peer.name] = {level: [] for level in LEVELS}
        for number in range(options.rounds):
            print(f"round {number + 1}/{options.rounds}", file=sys.stderr)
            # Each round begins with another peer, so that none always follows the same one.
            begin = number % max(len(children), 1)
            for child in (*children[begin:], *children[:begin]):
                for level in LEVELS:
                    told = _told(child, children, figures, runs=options.runs, at_once=level)
                    if told is None:
                        del found[child.peer.name]
                        break
                    found[child.peer.name][level].append(told)
    base = found.get("create_agent")
    for name, rounds in found.items():
        figures[name] |= run_figures(rounds, base)
    return figures


def _build(chosen: list[Peer], options: argparse.Namespace, folder: Path) -> Figures:
    return _each(
        chosen,
        folder,
        lambda child: build_figures(child.ask(build=options.agents)),
    )


def _growth(chosen: list[Peer], options: argparse.Namespace, folder: Path) -> Figures:
    turns = sorted({turn for turn in TURNS if turn < options.turns} | {options.turns})
    text = MESSAGE + "." + " The rest of it is about the weather." * 20
    return _each(
        chosen, folder, lambda child: growth_figures(child.ask(turns=turns, text=text[:700]))
    )


def _throughput(chosen: list[Peer], options: argparse.Namespace, folder: Path) -> Figures:
    flights = {level: runs for level, runs in FLIGHTS.items() if level <= options.flights}
    figures: Figures = {peer.name: {"version": None} for peer in chosen}
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    with ExitStack() as stack:
        url = stack.enter_context(served(MODEL_SECONDS))
        children = _started(chosen, url, folder, figures, stack)
        for child in children[:]:
            if _told(child, children, figures, runs=min(options.warm_up, 16), at_once=16):
                found[child.peer.name] = {}
        for level, runs in flights.items():
            for child in children[:]:
                print(f"{child.peer.name}, {level} in flight", file=sys.stderr)
                told = _told(child, children, figures, runs=runs, at_once=level)
                if told is not None:
                    found[child.peer.name][level] = [told]
    for name, rounds in found.items():
        if rounds:
            figures[name] |= throughput_figures(rounds)
    return figures


def _each(chosen: list[Peer], folder: Path, measured: Callable[[Child], dict[str, Any]]) -> Figures:
    """Measure one after the other, each in a process that has done nothing else."""
    figures: Figures = {peer.name: {"version": None} for peer in chosen}
    with ExitStack() as stack:
        url = stack.enter_context(served())
        for peer in chosen:
            print(peer.name, file=sys.stderr)
            with ExitStack() as alone:
                for child in _started([peer], url, folder, figures, alone):
                    try:
                        figures[peer.name] |= measured(child)
                    except Gone as gone:
                        figures[peer.name]["error"] = str(gone)
    return figures


def _started(
    chosen: list[Peer], url: str, folder: Path, figures: Figures, stack: ExitStack
) -> list[Child]:
    """Start the peers, and note the versions of those that start and why the others do not."""
    children = []
    for peer in chosen:
        try:
            child = Child(peer, url, folder, PATIENCE)
        except Gone as gone:
            print(f"{peer.name} {gone}", file=sys.stderr)
            figures[peer.name]["error"] = str(gone)
            continue
        stack.callback(child.close)
        figures[peer.name]["version"] = child.version
        children.append(child)
    return children


def _told(
    child: Child, children: list[Child], figures: Figures, **question: Any
) -> dict[str, Any] | None:
    """Ask a peer; one that is gone is left out from now on, and noted."""
    try:
        return child.ask(**question)
    except Gone as gone:
        print(f"{child.peer.name} {gone}", file=sys.stderr)
        figures[child.peer.name]["error"] = str(gone)
        children.remove(child)
        return None


def _show(what: str, peers: Figures) -> None:
    columns = list(dict.fromkeys(key for figures in peers.values() for key in figures))
    shown = [c for c in columns if c != "error" and "least" not in c]
    table = Table(title=f"Peers: {what}")
    for name in ("peer", *shown):
        table.add_column(name, justify="left" if name in ("peer", "version") else "right")
    for name, figures in peers.items():
        table.add_row(name, *(_cell(figures.get(c)) for c in shown))
    console = Console(stderr=True)
    console.width = max(console.width, 40 + 14 * len(shown))
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if value < 1000 else f"{value:,.0f}"
    return "–" if value is None else str(value)


MEASUREMENTS: dict[str, Callable[[list[Peer], argparse.Namespace, Path], Figures]] = {
    "run": _run,
    "build": _build,
    "growth": _growth,
    "throughput": _throughput,
}

if __name__ == "__main__":
    main()
