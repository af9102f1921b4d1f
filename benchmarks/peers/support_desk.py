"""The whole sample desk: classifier, playbooks, gate, ledger, critic. It needs no model."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import concertmaster as cm
from peers.measuring import Run, serve

DESK = Path(__file__).resolve().parents[2] / "examples" / "support_desk"
QUESTION = "Where is my order 1042?"


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Run]:
    """Open the desk; the model's URL is not used."""
    async with cm.open(DESK, home=folder / "home") as desk:

        async def run(name: str) -> None:
            made = await desk.run(QUESTION, principal="ana", thread=name)
            if made.status != "answered" or not any(e.type == "tool.called" for e in made.events):
                raise SystemExit(f"the run ended as {made.status}: {made.outcome}")

        yield run


if __name__ == "__main__":
    serve(importlib.metadata.version("concertmaster"), opened)
