"""`concertmaster ingest`: bring a home's index up to date with documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import HomeDir, Json, WorkspaceDir
from concertmaster.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from concertmaster.graphs.workspace import Workspace
    from concertmaster.orchestrator.home import Home
    from concertmaster.retrieval.ingest import IngestReport

__all__ = ["ingest"]

EXAMPLE = """Example: concertmaster ingest examples/support_desk

Example: concertmaster ingest examples/bank_desk --from documents.jsonl"""

_SHOWN = 20
_MOST_TOLD = 50

_Progress = Callable[[int, int], None]


def ingest(
    workspace: WorkspaceDir,
    *,
    sources: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="A file or folder from elsewhere, remembered for later; may be repeated.",
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            "--tenant",
            metavar="NAME",
            help="Whose documents those of --from are; everybody's without it.",
        ),
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Begin with an empty index.")] = False,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Bring the index up to date with documents.

    The workspace's own and those of --from: Markdown, text, HTML, PDF, Word, CSV and JSON lines.
    Only what changed is embedded. What could not be read is listed with its reason.
    It can be interrupted; the next ingest goes on where it stopped.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.desks import run_async

    if tenant is not None and not sources:
        raise ConfigError(
            "--tenant says whose the documents of --from are, and there are none",
            hint="add --from PATH; the tenants' own folders of workflow.yaml are always read",
        )
    given = _Given(tuple(sources or ()), tenant, rebuild)
    report = run_async(lambda: _ingest(workspace, given, home and home.expanduser()))
    if as_json:
        print_json(asdict(report))
    else:
        _show(report)


@dataclass(frozen=True)
class _Given:
    """What is asked for: documents from elsewhere, whose they are, and whether to begin anew."""

    sources: tuple[Path, ...]
    tenant: str | None
    rebuild: bool


async def _ingest(folder: Path, given: _Given, home: Path | None) -> IngestReport:
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
            report = await _brought_up(workspace, place, given, progress)
        await _record(workspace, place, report)
    return report


async def _brought_up(
    workspace: Workspace, home: Home, given: _Given, progress: _Progress
) -> IngestReport:
    from concertmaster.orchestrator.opening import open_library
    from concertmaster.retrieval.ingest import IngestReport
    from concertmaster.retrieval.knowledge import Knowledge

    spec = workspace.spec.workflow.knowledge
    assert spec is not None
    if given.rebuild:
        # Also the way out when the index was made with another embedding.
        Knowledge.open(home.index, spec=spec, rebuild=True).close()
    library = open_library(workspace, home)
    assert library is not None
    try:
        if given.sources:
            return await library.add(given.sources, progress=progress, tenant=given.tenant)
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
            lapsed=[f"{r.source}: {r.what}" for r in report.lapsed[:_MOST_TOLD]],
            passages=report.chunks,
        )
        await trail.flush()
    finally:
        database.close()


@contextmanager
def _bar() -> Iterator[_Progress]:
    """Show that files are read, then how far the embedding is; nothing but on a terminal."""
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
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = bar.add_task("reading documents", total=None)

    def progress(done: int, total: int) -> None:
        bar.update(task, description="embedding passages", completed=done, total=total)

    with bar:
        yield progress


def _show(report: IngestReport) -> None:
    from concertmaster.cli.console import note, put

    put(
        f"{report.added} added, {report.updated} updated, {report.deleted} deleted,"
        f" {report.unchanged} unchanged, {len(report.skipped)} skipped"
    )
    _list("left out", "because it", [(s.source, s.why) for s in report.skipped])
    _list("taken in", "but it", [(r.source, r.what) for r in report.remarks])
    _list("found by nobody today", "because it", [(r.source, r.what) for r in report.lapsed])
    if max(len(report.skipped), len(report.remarks), len(report.lapsed)) > _SHOWN:
        note("--json lists all of them")
    note(f"{report.chunks} passages embedded in {report.seconds:.1f} s")


def _list(what: str, told: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print files and reasons, of very many the first: as a table, or as lines for a file."""
    from concertmaster.cli.console import out, put

    shown = [(_short(source), why) for source, why in rows[:_SHOWN]]
    more = f"and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    if out().is_terminal and rows:
        put(_table(what, told, shown, more))
        return
    for source, why in shown:
        put(f"  {what}: {source}: {why}")
    if more:
        put(f"  {what}: {more}")


def _table(what: str, told: str, rows: Sequence[tuple[str, str]], more: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from concertmaster.cli.console import styled

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(what, overflow="fold")
    table.add_column(told, overflow="fold")
    for source, why in rows:
        table.add_row(styled(source), styled(why, "yellow"))
    if more:
        table.add_row(styled(more, "dim"), "")
    return table


def _short(source: str) -> str:
    """Return a path from the current folder, if it lies there."""
    with suppress(ValueError, OSError):
        return str(Path(source).relative_to(Path.cwd()))
    return source
