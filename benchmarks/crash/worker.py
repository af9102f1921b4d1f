"""A worker: opens the desk, has one large refund made, and tells how that ended.

It does what its user would: it sends the message if the thread has none, and has finance answer
what waits. Whatever was left by a worker before it, opening the desk takes up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from crash.boundaries import Boundaries
from crash.client import ask

__all__ = ["boundary", "main", "warm_up"]

_THREAD = "t"
_mine: list[Boundaries] = []


def boundary(name: str) -> None:
    """Come past a boundary that lies within a tool."""
    _mine[0].reach(name)


def warm_up() -> None:
    """Import everything that a worker needs."""
    import aiosqlite  # noqa: F401
    import cedarpy  # noqa: F401
    import langgraph.checkpoint.sqlite.aio  # noqa: F401

    import concertmaster.cli.app
    import concertmaster.orchestrator.opening  # noqa: F401


def main(given: dict[str, Any]) -> int:
    """Do a worker's work; returns its exit code."""
    os.environ.update(given["environment"])
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    pause = bool(given.get("pause"))
    boundaries = Boundaries(given.get("target"), lambda: ask("reached", pause=pause))
    boundaries.put_up()
    _mine.append(boundaries)
    try:
        told = asyncio.run(_work(Path(given["workspace"]), Path(given["home"])))
    except Exception as error:
        print(f"--- {given['name']} {given.get('target')}", file=sys.stderr)
        traceback.print_exc()
        told = {"error": type(error).__name__, "words": str(error)}
    ask("ended", passed=boundaries.passed, **told)
    return 0


async def _work(workspace: Path, home: Path) -> dict[str, Any]:
    import concertmaster as cm
    from concertmaster.errors import UnknownRun

    async with cm.open(workspace, home=home) as desk:
        try:
            run = (await desk.history(_THREAD))[-1]
        except UnknownRun:
            run = await desk.run("refund order 1042", principal="ana", thread=_THREAD)
        if run.pending:
            run = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        return {"status": run.status, "cause": run.outcome.cause}
