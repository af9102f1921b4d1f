"""How a peer measures itself: what it is asked for, processor time of its own process, wall time.

    python -m peers.NAME URL FOLDER
    {"runs": 40, "at_once": 1}   →   {"cpu_ms": …, "wall_ms": […], "thread_bytes": …}
    {"build": 1000}              →   {"first_ms": …, "build_ms": […], "agent_bytes": …}
    {"turns": [1, 50]}           →   {"turns": {"1": {"ms": …, "bytes": …}, …}}

A line in, a line out; the first line that comes out tells the version. Needs the standard library
alone, since a peer runs with an interpreter of its own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

__all__ = ["Opened", "Peer", "Run", "serve"]

Run = Callable[..., Awaitable[Any]]
"""Carries out one run on the thread of the given name; raises if the tool was not called or
nothing answered. What takes part in `growth` takes the message as `text`."""

_NEAR = 3
"""A turn's time is the median of so many: its own and those before it."""


@dataclass(frozen=True)
class Peer:
    """What a peer can do: `build` makes one more ready agent, `folder` holds what it stores."""

    run: Run
    build: Callable[[], Any] | None = None
    folder: Path | None = None
    first_ms: float | None = None


Opened = AbstractAsyncContextManager[Peer]


def serve(version: str, opened: Callable[[str, Path], Opened]) -> None:
    """Answer questions until there are no more.

    Args:
        version: of the peer.
        opened: gets the model's URL and a folder, and returns what opens the peer.
    """
    url, folder = sys.argv[1], Path(sys.argv[2])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(told: dict[str, Any]) -> None:
        answers.write(json.dumps(told) + "\n")
        answers.flush()

    asyncio.run(_serve(version, opened(url, folder), say))


async def _serve(version: str, opened: Opened, say: Callable[[dict[str, Any]], None]) -> None:
    began = perf_counter()
    async with opened as peer:
        say({"version": version})
        first_ms = (perf_counter() - began) * 1e3
        number = 0
        async for question in _questions():
            if "build" in question:
                say({"first_ms": first_ms, **_built(peer, question["build"])})
            elif "turns" in question:
                say(await _grown(peer, question["turns"], question["text"]))
            else:
                names = [f"run-{number + n}" for n in range(question["runs"])]
                number += len(names)
                say(await _round(peer.run, names, question["at_once"]))


async def _questions() -> AsyncIterator[dict[str, Any]]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield json.loads(line)


async def _round(run: Run, names: list[str], at_once: int) -> dict[str, Any]:
    wall: list[float] = []
    waiting = iter(names)

    async def one_after_the_other() -> None:
        for name in waiting:
            began = perf_counter()
            await run(name)
            wall.append((perf_counter() - began) * 1e3)

    gc.collect()
    gc.disable()
    peak = _Peak()
    before, began = _cpu(), perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    spent, took = _cpu() - before, perf_counter() - began
    gc.enable()
    return {
        "cpu_ms": spent / len(names) * 1e3,
        "wall_ms": wall,
        "seconds": took,
        "thread_bytes": peak.grown() / at_once,
    }


def _built(peer: Peer, number: int) -> dict[str, Any]:
    assert peer.build is not None
    times: list[float] = []
    kept: list[Any] = [peer.build()]
    gc.collect()
    before = _resident()
    for _ in range(number):
        began = perf_counter()
        kept.append(peer.build())
        times.append((perf_counter() - began) * 1e3)
    gc.collect()
    return {"build_ms": times, "agent_bytes": (_resident() - before) / number}


async def _grown(peer: Peer, turns: list[int], text: str) -> dict[str, Any]:
    """Hold a conversation on one thread; tell of some of its turns."""
    assert peer.folder is not None
    times: list[float] = []
    told: dict[str, Any] = {}
    before = _stored(peer.folder)
    for turn in range(1, max(turns) + 1):
        began = perf_counter()
        await peer.run("one", text=text)
        times.append((perf_counter() - began) * 1e3)
        if turn in turns:
            grown = _stored(peer.folder) - before
            told[str(turn)] = {"ms": statistics.median(times[-_NEAR:]), "bytes": grown}
    return {"turns": told}


def _stored(folder: Path) -> int:
    """Return the bytes that the databases in a folder hold, their logs folded in."""
    import sqlite3

    for path in folder.rglob("*.db"):
        connection = sqlite3.connect(path, timeout=30)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class _Peak:
    """How much memory a round took at its height, by the operating system's own account."""

    def __init__(self) -> None:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # Sets the peak back.
        self._before = _resident()

    def grown(self) -> int:
        return max(0, _resident("VmHWM") - self._before)


def _resident(what: str = "VmRSS") -> int:
    """Return the process's memory in bytes; where the system tells no present one, the highest."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
