"""How a peer measures itself: rounds on demand, processor time of its own process, wall time.

    python -m peers.NAME URL FOLDER
    {"runs": 40, "at_once": 1}   →   {"cpu_ms": …, "wall_ms": […]}        a line in, a line out

The first line that comes out tells the version. Needs the standard library alone, since a peer runs
with an interpreter of its own.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from time import perf_counter
from typing import Any

__all__ = ["Opened", "Run", "serve"]

Run = Callable[[str], Awaitable[Any]]
"""Carries out one run of the given name; raises if the tool was not called or nothing answered."""

Opened = AbstractAsyncContextManager[Run]


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
    async with opened as run:
        say({"version": version})
        number = 0
        async for question in _questions():
            names = [f"run-{number + n}" for n in range(question["runs"])]
            number += len(names)
            say(await _round(run, names, question["at_once"]))


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
    before = _cpu()
    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    spent = _cpu() - before
    gc.enable()
    return {"cpu_ms": spent / len(names) * 1e3, "wall_ms": wall}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
