"""The whole sample desk: classifier, playbooks, gate, ledger, critic. It needs no model."""

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

DESK = Path(__file__).resolve().parents[2] / "examples" / "support_desk"
QUESTION = "Where is my order 1042?"


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Open the desk; the model's URL is not used."""
    async with cm.open(DESK, home=folder / "home") as desk:

        async def run(name: str) -> None:
            made = await desk.run(QUESTION, principal="ana", thread=name)
            if made.status != "answered" or not any(e.type == "tool.called" for e in made.events):
                raise SystemExit(f"the run ended as {made.status}: {made.outcome}")

        def build() -> Any:
            return compile_graph(desk.services, Sessions(), None)

        yield Peer(run, build=build)


if __name__ == "__main__":
    serve(importlib.metadata.version("concertmaster"), opened)
