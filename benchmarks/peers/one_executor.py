"""Concertmaster, one executor and its answer: gate, ledger and audit on, a home on SQLite."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import concertmaster as cm
from peers.measuring import Run, serve
from peers.server import ANSWER, MESSAGE

WORKSPACE = Path(__file__).with_name("workspace")


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Run]:
    """Open the workspace."""
    async with cm.open(WORKSPACE, home=folder / "home", model=f"{url}#loopback") as desk:

        async def run(name: str) -> None:
            made = await desk.run(MESSAGE, principal="ana", thread=name)
            effects = await desk.services.carrier.ledger.effects(made.id)
            if [e.status for e in effects] != ["done"] or made.outcome.text != ANSWER:
                raise SystemExit(f"the run ended as {made.status}: {made.outcome}, {effects}")

        yield run


if __name__ == "__main__":
    serve(importlib.metadata.version("concertmaster"), opened)
