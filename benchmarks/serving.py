"""What the server adds, what idle streams cost, and whether restarts lose anything.

    python benchmarks/serving.py [--connections 1 16 256] [--requests 400] [--idle 1000]
                                 [--mixed SECONDS] [--seed N]

Three parts, the servers in processes of their own:

1. The same chat question, streamed over OpenAI's protocol, at each number of connections: requests
   per second, time to the first event and to the end. Beside it, in turns: a bare FastAPI app that
   sends a recording of the same stream (`echo_rps`), and the same question put to the desk in one
   process without any server, as many at once (`desk_rps`). Every request is a governed run with
   its trail, so the distance from `desk_rps` is what serving costs; that from `echo_rps` is mostly
   the run.
2. Streams on which nothing happens, of a run that waits for a person: memory of the server.
3. Mixed load for some time while the server is stopped and killed again and again: runs lost, and
   events missed by clients that come back with the id of the last event they have.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import report
from rich.console import Console
from rich.table import Table
from serving_load.alone import Alone
from serving_load.client import Connection, Target
from serving_load.idle import idle_streams
from serving_load.levels import MESSAGE, Level, chat, measured
from serving_load.mixed import mixed_load
from serving_load.served import Ours, echoing

ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 16, 256])
    parser.add_argument("--requests", type=int, default=400, help="requests a level and round")
    parser.add_argument("--idle", type=int, default=1000, help="streams without events")
    parser.add_argument("--mixed", type=float, default=180, help="seconds of mixed load")
    parser.add_argument("--clients", type=int, default=12, help="clients of the mixed load")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console = Console(stderr=True)

    def tell(text: str) -> None:
        console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {text}", highlight=False)

    figures = asyncio.run(_measure(options, tell))
    _show(console, figures)
    report("serving", figures)


async def _measure(options: argparse.Namespace, tell: Callable[[str], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="concertmaster-serving-") as folder:
        ours = Ours(Path(folder))
        await ours.enrol()
        tell("starting the server")
        await asyncio.to_thread(ours.start)
        try:
            figures: dict[str, Any] = {"levels": await _levels(ours, options, tell)}
            if options.idle:
                tell(f"{options.idle} streams on which nothing happens")
                figures |= await idle_streams(ours, options.idle)
            if options.mixed:
                tell(f"mixed load for {options.mixed:.0f} s")
                figures |= await mixed_load(
                    ours, options.mixed, options.clients, options.seed, tell
                )
        finally:
            await asyncio.to_thread(ours.stop)
    return {**figures, "message": MESSAGE}


async def _levels(
    ours: Ours, options: argparse.Namespace, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    if not options.connections:
        return []
    target = ours.target("ana")
    recorded = ours.folder / "recorded.json"
    recorded.write_text(json.dumps(await _recorded(target)))
    echo, there = echoing(recorded)
    try:
        async with Alone() as alone:
            levels = []
            for connections in options.connections:
                requests = max(options.requests, connections)
                tell(f"{connections} connections")
                levels.append(await _level(target, there, alone, connections, requests))
            return levels
    finally:
        echo.terminate()
        echo.wait(20)
        if echo.stdout is not None:
            echo.stdout.close()


async def _level(
    ours: Target, echo: Target, alone: Alone, connections: int, requests: int
) -> dict[str, Any]:
    """Measure one number of connections: the rounds of all three take turns, the best counts."""
    best: dict[str, Level] = {}
    desk_rps = 0.0
    for _ in range(ROUNDS):
        for name, target in (("ours", ours), ("echo", echo)):
            level = await measured(target, connections, requests)
            if name not in best or level.rps > best[name].rps:
                best[name] = level
        desk_rps = max(desk_rps, await alone.runs_per_second(connections, requests))
    found = best["echo"].figures()
    return {
        "connections": connections,
        "requests": requests,
        **best["ours"].figures(),
        "echo_rps": found["rps"],
        "echo_first_event_p50_ms": found["first_event_p50_ms"],
        "echo_end_p50_ms": found["end_p50_ms"],
        "desk_rps": desk_rps,
    }


async def _recorded(target: Target) -> list[str]:
    connection = Connection(target)
    try:
        await connection.ask("POST", "/v1/chat/completions", chat())
        reply = await connection.ask("POST", "/v1/chat/completions", chat())
    finally:
        await connection.close()
    if reply.status != 200:
        raise RuntimeError(f"answered with {reply.status}: {reply.body[:300]!r}")
    return [part.decode() for part in reply.parts]


def _show(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="streamed chat requests")
    for column in ("connections", "requests/s", "first event", "end p50", "end p99"):
        table.add_column(column, justify="right")
    table.add_column("echo/s", justify="right")
    table.add_column("desk alone/s", justify="right")
    for level in figures["levels"]:
        times = (level[k] for k in ("first_event_p50_ms", "end_p50_ms", "end_p99_ms"))
        table.add_row(
            str(level["connections"]),
            f"{level['rps']:.1f}",
            *(f"{t:.1f} ms" for t in times),
            f"{level['echo_rps']:.0f}",
            f"{level['desk_rps']:.1f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
