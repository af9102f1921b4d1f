"""Concertmaster, one executor and its answer: gate, ledger and audit on, a home on SQLite."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import concertmaster as cm
from concertmaster.graphs.compile import compile_graph
from concertmaster.graphs.session import Sessions
from peers.measuring import Peer, serve
from peers.server import ANSWER, MESSAGE

WORKSPACE = Path(__file__).with_name("workspace")


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Open the workspace."""
    async with cm.open(WORKSPACE, home=folder / "home", model=f"{url}#loopback") as desk:

        async def run(name: str, text: str = MESSAGE) -> None:
            made = await desk.run(text, principal="ana", thread=name)
            effects = await desk.services.carrier.ledger.effects(made.id)
            if [e.status for e in effects] != ["done"] or made.outcome.text != ANSWER:
                raise SystemExit(f"the run ended as {made.status}: {made.outcome}, {effects}")

        def build() -> Any:
            return compile_graph(desk.services, Sessions(), None)

        yield Peer(run, build=build, folder=folder)


if __name__ == "__main__":
    serve(importlib.metadata.version("concertmaster"), opened)
