"""Retention of a home whose workspace is not opened: no graph, no tools, no model, no index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from concertmaster.audit import Trail
from concertmaster.audit.signing import sign_head
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.errors import WorkspaceError
from concertmaster.graphs.sources import Source, read_source
from concertmaster.graphs.validation import validate
from concertmaster.orchestrator.arrival import arrive
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.home import DATABASE, Home
from concertmaster.orchestrator.opening import MIGRATIONS
from concertmaster.orchestrator.retention.passes import Retention
from concertmaster.orchestrator.retention.report import PruneReport
from concertmaster.orchestrator.runs import Runs
from concertmaster.storage import Database

__all__ = ["declared", "prune_home"]


def declared(workspace: Path) -> tuple[str, RetentionSpec]:
    """Return the name of a workspace and what it declares, from its `workflow.yaml` alone.

    A workspace that is not ready has its data kept within bounds like any other.

    Raises:
        WorkspaceError: the file, or the section, cannot be read.
    """
    source, problems = read_source(workspace / "workflow.yaml")
    found = source.value if isinstance(source.value, dict) else {}
    spec = RetentionSpec()
    if not problems and found.get("retention") is not None:
        read, problems = validate(RetentionSpec, _section(source, "retention"))
        spec = read or spec
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems[:5])
        raise WorkspaceError(
            f"what {workspace} keeps for how long cannot be read:\n{listed}",
            hint="put this right; `concertmaster check` looks at the rest",
            problems=tuple(problems),
        )
    return str(found.get("workflow") or workspace.name), spec


def _section(source: Source, name: str) -> Source:
    """Return a section of a file as if it were one, with the lines that it has there."""
    lines = {path[1:]: line for path, line in source.lines.items() if path[:1] == (name,)}
    return Source(source.file, source.value[name], lines)


async def prune_home(
    home: Path, name: str, spec: RetentionSpec, *, dry_run: bool = False, source: str = ""
) -> PruneReport:
    """Prune a home by these bounds; see `Desk.prune`.

    Args:
        home: its folder.
        name: of its workflow, in whose trail it is told.
        spec: the bounds.
        dry_run: read only, also while others work in it.
        source: where the bounds come from, for the words in which the trail tells of them.

    Raises:
        HomeBusy: another process works in it.
        HomeError, StorageError: it cannot be read or written.
    """
    if dry_run:
        database = Database.open(home / DATABASE, read_only=True)
        try:
            retention = Retention(Trail(database, name), home / "artifacts", spec, home=None)
            return await retention.prune(dry_run=True, source=source)
        finally:
            database.close()
    async with _opened(home, name) as (place, trail):
        places = places_of(home)

        async def sign() -> None:
            async with place.busy():
                await sign_head(trail.database, name, places.heads, places.keys)

        retention = Retention(trail, place.artifacts, spec, home=place, sign=sign)
        return await retention.prune(source=source)


@asynccontextmanager
async def _opened(home: Path, name: str) -> AsyncIterator[tuple[Home, Trail]]:
    """Open a home for writing; it is held for each transaction, not in between."""
    place = Home.prepare(home, None)
    try:
        async with place.busy():
            database = await asyncio.to_thread(
                Database.open, place.database, MIGRATIONS, fence=place
            )
            trail = Trail(database, name)
            runs = Runs(database, trail)
            await arrive(place, trail, runs)
            place.arrived = partial(arrive, place, trail, runs)
        try:
            yield place, trail
        finally:
            database.close()
    finally:
        place.close()
