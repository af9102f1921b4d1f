"""`concertmaster audit why`: a run told in sentences."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import HomeDir, Json, WorkspaceOf

if TYPE_CHECKING:
    from concertmaster.audit.retired import Kind
    from concertmaster.audit.telling import Sentence
    from concertmaster.cli.records import Records

__all__ = ["EXAMPLE", "why"]

EXAMPLE = "Example: concertmaster audit why run-5f0c12ab34cd56ef"

_WIDTH = 80
_REMOVED: dict[Kind, str] = {
    "payload": "The details that the trail had of this run were",
    "message": "The words of its message and its answer were",
    "run": "The run itself, with its message, its answer and its results, was",
}
"""What retention may have removed of a run, as it is told."""


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
    from concertmaster.errors import UnknownRun

    async def work() -> list[Sentence]:
        async with opened(home, workspace) as places:
            try:
                records, found = await find_run(places, run)
                asked: str | None = found.text
            except UnknownRun:
                known = await _remains(places, run)
                if known is None:
                    raise
                records, asked = known, None
            events = await records.events(run=run)
            return [*tell(events, asked=asked or None), *await _removed(records, run)]

    sentences = asyncio.run(work())
    if as_json:
        told = ("text", "event", "type", "time", "part")
        print_json([{name: getattr(s, name) for name in told} for s in sentences])
        return
    if not sentences:
        note("the trail holds nothing of this run")
    elif paragraphs := _paragraphs(sentences):
        put("\n\n".join(paragraphs))


async def _remains(places: Sequence[Records], run: str) -> Records | None:
    """Return the home that had a run which retention has removed."""
    from concertmaster.audit.retired import retired

    for records in places:
        if await records.database.read(lambda c: retired(c, "run", run)):
            return records
    return None


async def _removed(records: Records, run: str) -> list[Sentence]:
    """Say what retention has removed of a run, when and by which rule."""
    from functools import partial

    from concertmaster.audit.retired import retired
    from concertmaster.audit.telling import Sentence

    said = []
    for kind, what in _REMOVED.items():
        gone = await records.database.read(partial(retired, kind=kind, id_=run))
        if gone is not None:
            said.append(
                Sentence(
                    text=f"{what} {gone}.",
                    event=gone.event,
                    type="audit.erased" if kind == "payload" else "retention.pruned",
                    time=gone.at,
                    part="other",
                )
            )
    return said


def _paragraphs(sentences: Sequence[Sentence]) -> list[str]:
    """Return what belongs together as one text each, in lines of 80 characters at most."""
    from itertools import groupby
    from textwrap import fill

    from concertmaster.cli.console import safe

    return [
        fill(" ".join(safe(s.text) for s in group), _WIDTH, break_on_hyphens=False)
        for _, group in groupby(sentences, key=lambda s: s.part)
    ]
