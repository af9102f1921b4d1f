"""`concertmaster ingest`: bring a home's index up to date with documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import HomeDir, Json, WorkspaceDir

if TYPE_CHECKING:
    from concertmaster.graphs.workspace import Workspace
    from concertmaster.orchestrator.home import Home
    from concertmaster.retrieval.ingest import IngestReport

__all__ = ["ingest"]

EXAMPLE = """Example: concertmaster ingest examples/support_desk

Example: concertmaster ingest examples/bank_desk --from documents.jsonl"""

_SHOWN = 10

_Progress = Callable[[int, int], None]


def ingest(
    workspace: WorkspaceDir,
    sources: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="A file or folder from elsewhere, remembered for later; may be repeated.",
        ),
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Begin with an empty index.")] = False,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Bring the index up to date with documents.

    The workspace's own and those of --from: .md, .txt and .jsonl. Only what changed is embedded.
    It can be interrupted; the next ingest goes on where it stopped.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.desks import run_async

    report = run_async(
        lambda: _ingest(workspace, tuple(sources or ()), rebuild, home and home.expanduser())
    )
    if as_json:
        print_json(asdict(report))
    else:
        _show(report)


async def _ingest(
    folder: Path, sources: tuple[Path, ...], rebuild: bool, home: Path | None
) -> IngestReport:
    from concertmaster.errors import ConfigError
    from concertmaster.graphs.workspace import Workspace
    from concertmaster.orchestrator.home import Home, base_dir

    workspace = Workspace.load(folder)
    if workspace.spec.workflow.knowledge is None:
        raise ConfigError(
            f"workspace {workspace.name!r} declares no knowledge",
            hint="add a `knowledge:` section to workflow.yaml",
        )
    place = Home.prepare(home or base_dir() / workspace.name, workspace.path)
    async with place.busy():
        with _bar() as progress:
            report = await _brought_up(workspace, place, sources, rebuild, progress)
        await _record(workspace, place, report)
    return report


async def _brought_up(
    workspace: Workspace,
    home: Home,
    sources: tuple[Path, ...],
    rebuild: bool,
    progress: _Progress,
) -> IngestReport:
    from concertmaster.orchestrator.opening import open_library
    from concertmaster.retrieval.ingest import IngestReport
    from concertmaster.retrieval.knowledge import Knowledge

    spec = workspace.spec.workflow.knowledge
    assert spec is not None
    if rebuild:
        # Also the way out when the index was made with another embedding.
        Knowledge.open(home.index, spec=spec, rebuild=True).close()
    library = open_library(workspace, home)
    assert library is not None
    try:
        if sources:
            return await library.add(sources, progress=progress)
        return await library.sync(progress) or IngestReport()
    finally:
        library.knowledge.close()


async def _record(workspace: Workspace, home: Home, report: IngestReport) -> None:
    from concertmaster.audit import Trail
    from concertmaster.orchestrator.opening import MIGRATIONS
    from concertmaster.storage import Database

    database = Database.open(home.database, MIGRATIONS, fence=home)
    try:
        trail = Trail(database, workspace.name)
        counts = {k: getattr(report, k) for k in ("added", "updated", "deleted", "unchanged")}
        told = ", ".join(f"{number} {what}" for what, number in counts.items())
        trail.emit(
            "knowledge.ingested",
            why=told,
            actor="ingest",
            **counts,
            skipped=len(report.skipped),
            passages=report.chunks,
        )
        await trail.flush()
    finally:
        database.close()


@contextmanager
def _bar() -> Iterator[_Progress]:
    """Show how far the embedding is: a bar on a terminal, nothing elsewhere."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from concertmaster.cli.console import err

    console = err()
    bar = Progress(
        TextColumn("embedding"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("passages,"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("embedding", total=None)

    def progress(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    with bar:
        yield progress


def _show(report: IngestReport) -> None:
    from concertmaster.cli.console import note, put, styled

    put(
        f"{report.added} added, {report.updated} updated, {report.deleted} deleted,"
        f" {report.unchanged} unchanged, {len(report.skipped)} skipped"
    )
    for skipped in report.skipped[:_SHOWN]:
        put(styled(f"  skipped {skipped.source}: {skipped.why}", "yellow"))
    if len(report.skipped) > _SHOWN:
        put(styled(f"  … and {len(report.skipped) - _SHOWN} more; --json lists them all", "yellow"))
    note(f"{report.chunks} passages embedded in {report.seconds:.1f} s")
