"""`concertmaster audit export`: a piece of the trail as JSON lines that can be verified."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from concertmaster.cli.audit_verify import HeadsFile, KeysDir
from concertmaster.cli.options import HomeDir, WorkspaceOf

if TYPE_CHECKING:
    from concertmaster.audit.exporting import Exported, Wanted

__all__ = ["EXAMPLE", "export"]

EXAMPLE = "Example: concertmaster audit export --since 2026-01-01 --out january.jsonl"


def export(
    *,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before, such as 2026-01-31T10:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this time.")] = None,
    thread: Annotated[str | None, typer.Option(metavar="ID", help="Only this thread.")] = None,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Only this run.")] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only this type, or family; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; standard output without it.")
    ] = None,
    heads: HeadsFile = None,
    keys: KeysDir = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
) -> None:
    """Write events as JSON lines of CloudEvents, with what it takes to verify them.

    Of the events between them, and up to the next signed head, id, type, time and hashes go along.
    `audit verify --export FILE` checks such a file against the public keys alone.
    """
    from concertmaster.cli.console import note
    from concertmaster.cli.timeline import counted

    wanted = _wanted(since, until, thread, run, tuple(types or ()))
    with ExitStack() as stack:
        file = stack.enter_context(_created(out)) if out else sys.stdout
        done = asyncio.run(
            _write(home, workspace, (heads, keys), wanted, lambda line: file.write(f"{line}\n"))
        )
    vouched = f"signed heads vouch for {done.vouched} of them"
    note(
        f"{counted(done.events, 'event')} exported; {vouched}" if done.events else "no such events"
    )


def _created(path: Path) -> TextIO:
    from concertmaster.errors import ConfigError

    try:
        return path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from None


def _wanted(
    since: str | None, until: str | None, thread: str | None, run: str | None, types: Sequence[str]
) -> Wanted:
    from concertmaster.audit.exporting import Wanted, moment
    from concertmaster.cli.audit_types import event_types
    from concertmaster.errors import ConfigError

    try:
        return Wanted(
            since=moment(since) if since else None,
            until=moment(until) if until else None,
            thread=thread,
            run=run,
            types=tuple(event_types(types) or ()),
        )
    except ValueError:
        raise ConfigError(
            f"{since!r} or {until!r} is no time", hint="such as 2026-01-31 or 2026-01-31T10:00Z"
        ) from None


async def _write(
    home: Path | None,
    workspace: Path | None,
    named: tuple[Path | None, Path | None],
    wanted: Wanted,
    write: Callable[[str], object],
) -> Exported:
    from concertmaster.audit.exporting import Exported, export_home
    from concertmaster.cli.records import opened
    from concertmaster.orchestrator.auditing import places_of

    done = Exported(streams=0, events=0, vouched=0)
    async with opened(home, workspace) as places:
        for records in places:
            read = places_of(records.home, *named).read
            done += await export_home(records.database, read, wanted, write)
    return done
