"""Reading what homes hold, without the lock and without changing anything."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from concertmaster.audit import Trail
from concertmaster.audit.retired import retired
from concertmaster.cli.console import complain
from concertmaster.cli.places import chosen_homes
from concertmaster.contracts import Approval, AuditEvent, RunRecord
from concertmaster.contracts.events import EventType
from concertmaster.errors import ApprovalUnknown, HomeError, StorageError, UnknownRun
from concertmaster.orchestrator.home import DATABASE, base_dir
from concertmaster.orchestrator.runs import Runs, ThreadRecord
from concertmaster.policies.approvals import Approvals
from concertmaster.storage import Database

__all__ = ["Records", "find_approval", "find_run", "find_thread", "opened"]

_REMOVED = "removed by retention"
_WORKSPACES = (
    "SELECT DISTINCT workspace FROM audit_events"
    " UNION SELECT DISTINCT json_extract(record, '$.workspace') FROM runs"
)


class Records:
    """One home, opened for reading: its runs, threads, approvals and trail."""

    def __init__(self, home: Path, database: Database, names: Sequence[str]) -> None:
        self.home = home
        self.names = tuple(names)
        self._database = database
        self._trails = [Trail(database, name) for name in names]
        self._runs = Runs(database, Trail(database, home.name))

    @property
    def database(self) -> Database:
        """The home's database, opened for reading."""
        return self._database

    @property
    def label(self) -> str:
        """The workflow's name, or the folder's where nothing has run yet."""
        return ", ".join(self.names) or self.home.name

    async def threads(self, limit: int) -> list[ThreadRecord]:
        """Return the threads, the latest first."""
        return await self._runs.threads(limit)

    async def runs(self, *statuses: Any) -> list[RunRecord]:
        """Return the runs in any of the statuses, oldest first."""
        return await self._runs.with_status(*statuses)

    async def run(self, id_: str) -> RunRecord:
        """Return a run, or raise UnknownRun."""
        return await self._runs.get(id_)

    async def thread(self, id_: str) -> list[RunRecord]:
        """Return a thread's runs, oldest first, or raise UnknownRun."""
        return await self._runs.of_thread(id_)

    async def approvals(self, **wanted: Any) -> list[Approval]:
        """Return the approvals with these properties, oldest first."""
        found = [
            approval
            for trail in self._trails
            for approval in await Approvals(self._database, trail).list(**wanted)
        ]
        return sorted(found, key=lambda approval: approval.created)

    async def events(
        self, *, types: Sequence[EventType] | None = None, **wanted: str | None
    ) -> list[AuditEvent]:
        """Return the trail's events with these properties, in order."""
        found = [
            event
            for trail in self._trails
            for event in await trail.events(types=types, **wanted)  # type: ignore[arg-type]
        ]
        return sorted(found, key=lambda event: event.seq or 0)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


@asynccontextmanager
async def opened(home: Path | None, workspace: Path | None) -> AsyncIterator[list[Records]]:
    """Open the chosen homes for reading. Of several, one that is damaged is named and left out.

    Raises:
        HomeError, StorageError: the only one cannot be read.
    """
    chosen = chosen_homes(home, workspace)
    with ExitStack() as stack:
        found = []
        for path in chosen:
            try:
                records = await _open(path)
            except (HomeError, StorageError) as error:
                if len(chosen) == 1:
                    raise
                complain(error.message, code=error.code, hint=error.hint)
                continue
            stack.callback(records.close)
            found.append(records)
        yield found


async def _open(home: Path) -> Records:
    database = Database.open(home / DATABASE, read_only=True)
    try:
        if not await database.read(_made_here):
            raise HomeError(
                f"{home / DATABASE} was not made by Concertmaster, or nothing was run yet",
                hint='`concertmaster run WORKSPACE "…" --as WHO` makes a home',
            )
        names = [row[0] for row in await database.read(_names)]
    except BaseException:
        database.close()
        raise
    return Records(home, database, names)


def _made_here(connection: sqlite3.Connection) -> bool:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    return {"runs", "threads", "approvals", "audit_events"} <= tables


def _names(connection: sqlite3.Connection) -> list[Any]:
    return connection.execute(_WORKSPACES).fetchall()


async def find_approval(places: Sequence[Records], id_: str) -> tuple[Records, Approval]:
    """Return the approval of this id and the home that has it.

    Raises:
        ApprovalUnknown: none has it.
    """
    for records in places:
        for approval in await records.approvals():
            if approval.id == id_:
                return records, approval
    for records in places:
        gone = await records.database.read(partial(retired, kind="approval", id_=id_))
        if gone is not None:
            raise ApprovalUnknown(
                f"approval {id_[:40]!r} was settled, and {gone}",
                hint="`concertmaster audit show --type approval.answered` may tell who decided",
            )
    raise ApprovalUnknown(
        f"there is no approval {id_[:40]!r} {_where(places)}",
        hint="`concertmaster approvals list --status all` shows those that exist",
    )


async def find_run(places: Sequence[Records], id_: str) -> tuple[Records, RunRecord]:
    """Return the run of this id and the home that has it.

    Raises:
        UnknownRun: none has it.
    """
    for records in places:
        try:
            return records, await records.run(id_)
        except UnknownRun as error:
            if _REMOVED in error.message:
                raise
    raise UnknownRun(
        f"there is no run {id_[:60]!r} {_where(places)}",
        hint="`concertmaster runs list --status all` shows those that exist",
    )


async def find_thread(places: Sequence[Records], id_: str) -> tuple[Records, list[RunRecord]]:
    """Return the runs of a thread and the home that has it.

    Raises:
        UnknownRun: none has it, or several do.
    """
    found = []
    removed: UnknownRun | None = None
    for records in places:
        try:
            found.append((records, await records.thread(id_)))
        except UnknownRun as error:
            removed = error if _REMOVED in error.message else removed
    if not found and removed is not None:
        raise removed
    if not found:
        raise UnknownRun(
            f"there is no thread {id_[:60]!r} {_where(places)}",
            hint="`concertmaster threads list` shows those that exist",
        )
    if len(found) > 1:
        raise UnknownRun(
            f"{len(found)} homes have a thread {id_[:60]!r}",
            hint=f"choose with --home: {', '.join(str(r.home) for r, _ in found)}",
        )
    return found[0]


def _where(places: Sequence[Records]) -> str:
    if len(places) == 1:
        return f"in {places[0].home}"
    return f"in any of the {len(places)} homes under {base_dir()}"
