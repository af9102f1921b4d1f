"""`concertmaster prune`: removes what is older or more than is declared."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertmaster.cli.options import HomeDir, Json

if TYPE_CHECKING:
    from concertmaster.orchestrator.retention.report import PruneReport

__all__ = ["EXAMPLE", "prune"]

EXAMPLE = "Example: concertmaster prune examples/support_desk --older-than 30d --dry-run"

_GIVEN = ", given on the command line"


def prune(
    workspace: Annotated[
        Path | None,
        typer.Argument(metavar="WORKSPACE", help="Only the home of this workspace; else all."),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go, and change nothing.")
    ] = False,
    older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="In place of each age that is declared: 12h, 30d, 2y."),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="So many checkpoints, and runs, of each thread."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="checkpoints, threads, runs, messages, artifacts, approvals or payloads; repeat it"
            " for several. Without it, what is declared; if nothing is, threads and checkpoints.",
        ),
    ] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Remove what is older or more than `retention:` in workflow.yaml allows.

    What a run that is not over needs stays, and so do effects: none is made again. The trail still
    verifies. A desk does the same by itself.
    """
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.places import chosen_homes

    places = chosen_homes(home, workspace)
    given: dict[str, Any] = {"older_than": older_than, "keep": keep, "only": tuple(only or ())}

    async def work() -> list[tuple[Path, PruneReport]]:
        return [(p, await _pruned(p, workspace, given, dry_run)) for p in places]

    done = asyncio.run(work())
    if as_json:
        print_json([{"home": str(p), **_plain(report)} for p, report in done])
        return
    for place, report in done:
        _show(place, report)
    if dry_run:
        note("nothing was changed")


async def _pruned(
    home: Path, workspace: Path | None, given: dict[str, Any], dry_run: bool
) -> PruneReport:
    from concertmaster.cli.places import workspace_at, workspace_of
    from concertmaster.contracts.retention import RetentionSpec
    from concertmaster.orchestrator.retention.asked import asked
    from concertmaster.orchestrator.retention.home import declared, prune_home

    overridden = given["older_than"] is not None or given["keep"] is not None
    folder = workspace or workspace_of(home)
    if overridden and (folder is None or not folder.is_dir()):
        # Nobody has to put a workspace back to have its old data removed.
        name, spec = home.name, RetentionSpec()
    else:
        name, spec = declared(workspace or workspace_at(home))
    bounds = asked(spec, **given)
    source = _GIVEN if overridden else ""
    return await prune_home(home, name, bounds, dry_run=dry_run, source=source)


def _show(place: Path, report: PruneReport) -> None:
    from concertmaster.cli.console import note, put, styled

    put(styled(place, "dim"))
    if not report.pruned:
        note(
            "  nothing is bounded: declare `retention:` in workflow.yaml, or give --older-than or"
            " --keep"
        )
        return
    for part in report.pruned:
        line = styled(f"  {part.what:<12}", "bold")
        line.append(f"{part.number:>7}  {_size(part.bytes):>9}  {'; '.join(part.rules)}")
        put(line)
        for kept in part.kept:
            put(styled(f"    {kept.number} kept: {kept.why}", "yellow"))
    if report.dry_run:
        return
    put(f"  {_size(report.before)} on the disk before, {_size(report.after)} after")


def _size(number: float) -> str:
    if number < 1000:
        return f"{number:.0f} B"
    for unit in ("KB", "MB"):
        number /= 1000
        if number < 1000:
            return f"{number:.1f} {unit}"
    return f"{number / 1000:.1f} GB"


def _plain(report: PruneReport) -> dict[str, object]:
    return {**report.model_dump(mode="json"), "number": report.number, "freed": report.freed}
