"""`concertmaster report`: how work flows, as one page with plots."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from concertmaster.cli.options import HomeDir, Json

__all__ = ["EXAMPLE", "report"]

EXAMPLE = "Example: concertmaster report examples/support_desk --since 30d --out report.html"


def report(
    workspace: Annotated[
        Path | None,
        typer.Argument(metavar="[WORKSPACE]", help="Whose trail is reported."),
    ] = None,
    *,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="A foreign log: one event a row.")
    ] = None,
    xes: Annotated[
        Path | None,
        typer.Option("--xes", metavar="FILE", help="A foreign log in XES; .gz is read as well."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="AGE|DATE", help="Runs that began from then on: 30d.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="AGE|DATE", help="Runs that began before then.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the page there; it must be new.")
    ] = None,
    to_xes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the log as XES, for other tools.")
    ] = None,
    to_ocel: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the trail as OCEL 2.0 JSON, for other tools."),
    ] = None,
    case: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Of a CSV file: to which case a row belongs."),
    ] = None,
    activity: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of a CSV file: what was done.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of a CSV file: when, or when it ended.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Of a CSV file: when it began, if known.")
    ] = None,
    time_format: Annotated[
        str | None,
        typer.Option(metavar="FORM", help="How times are written: %d/%m/%Y %H:%M. Else, ISO."),
    ] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Tell how work flows: outcomes, waits, rework, bottlenecks, cost, and the paths taken.

    The page is one file that loads nothing. The home is only read, and nothing of a run that was
    erased is in it.
    """
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.moments import moment
    from concertmaster.cli.report_shown import plain, show
    from concertmaster.cli.report_sources import (
        Period,
        from_csv,
        from_home,
        from_xes,
        only_one,
        write,
    )

    only_one(workspace, csv, xes)
    period = Period.of(
        moment(since, "--since") if since else None,
        moment(until, "--until") if until else None,
    )
    if csv is not None:
        source = from_csv(csv, case, activity, time, start, time_format, period)
    elif xes is not None:
        source = from_xes(xes, period)
    else:
        source = from_home(home, workspace, period)

    async def work() -> None:
        async with source as found:
            async for written in write(found, out=out, xes=to_xes, ocel=to_ocel):
                note(f"written: {written}")
            if as_json:
                print_json(plain(found))
            else:
                show(found)

    asyncio.run(work())
