"""`concertmaster audit why`: a run told in sentences."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import HomeDir, Json, WorkspaceOf

if TYPE_CHECKING:
    from concertmaster.audit.telling import Sentence

__all__ = ["EXAMPLE", "why"]

EXAMPLE = "Example: concertmaster audit why run-5f0c12ab34cd56ef"

_WIDTH = 80


def why(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id: run-…")],
    *,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Tell a run in sentences: what was asked, decided, approved and done, and what it cost."""
    from concertmaster.audit.telling import tell
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.cli.records import find_run, opened

    async def work() -> list[Sentence]:
        async with opened(home, workspace) as places:
            records, found = await find_run(places, run)
            return tell(await records.events(run=run), asked=found.text)

    sentences = asyncio.run(work())
    if as_json:
        told = ("text", "event", "type", "time", "part")
        print_json([{name: getattr(s, name) for name in told} for s in sentences])
        return
    if not sentences:
        note("the trail holds nothing of this run")
    elif paragraphs := _paragraphs(sentences):
        put("\n\n".join(paragraphs))


def _paragraphs(sentences: Sequence[Sentence]) -> list[str]:
    """Return what belongs together as one text each, in lines of 80 characters at most."""
    from itertools import groupby
    from textwrap import fill

    from concertmaster.cli.console import safe

    return [
        fill(" ".join(safe(s.text) for s in group), _WIDTH, break_on_hyphens=False)
        for _, group in groupby(sentences, key=lambda s: s.part)
    ]
