"""Forgetting a thread: what a person said, and what was looked up and done for them, is erased.

What remains is of nobody: each event's id, type and time in the chain, and of each effect that was
begun its run, place, digest, key, tool, status and times, without which it could be made again.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from concertmaster.agents.task import Services
from concertmaster.audit import Trail
from concertmaster.audit.erasing import erase_events, thread_digest
from concertmaster.audit.retired import retired
from concertmaster.contracts import FINAL, Outcome, Principal, RunRecord, plain_text
from concertmaster.contracts.html import Shown
from concertmaster.errors import RequestError, ThreadForbidden, UnknownRun
from concertmaster.orchestrator.auditing import Signing
from concertmaster.orchestrator.lifecycle import Lifecycle
from concertmaster.orchestrator.remains import erase_rows, purge, references, unreferenced
from concertmaster.orchestrator.runs import Runs
from concertmaster.orchestrator.segments import Segments

__all__ = ["Forgetting", "Forgotten", "trails_of"]

_THEMSELVES = "the thread's owner"
_LONGEST_REASON = 1000
_CANCELLED = "the thread is to be erased"


@dataclass(frozen=True, kw_only=True)
class Forgotten(Shown):
    """What was erased of a thread. `purged` tells that no copy is left in the database's file."""

    thread: str
    runs: int
    events: int
    artifacts: int
    purged: bool


class Forgetting:
    """Erases threads of one desk."""

    def __init__(
        self,
        services: Services,
        runs: Runs,
        segments: Segments,
        life: Lifecycle,
        signing: Signing,
    ) -> None:
        self._services = services
        self._trail = services.trail
        self._runs = runs
        self._segments = segments
        self._life = life
        self._signing = signing

    async def forget(self, thread: str, by: Principal, why: str, *, force: bool) -> Forgotten:
        """Erase a thread; see `Desk.forget`. The caller holds the home."""
        records = await self._known(thread)
        if records is None:
            # Erased before: what may have been left then is cleared away now.
            return await self._cleared(thread, frozenset(), runs=0, events=0)
        self._permit(records, by)
        reason = _reason(why, thread, records)
        if force:
            await self._cancel(thread, by)
        else:
            _ended(thread, {record.status for record in records})
        actor = _THEMSELVES if _owns(records, by) else by.id
        async with self._segments.alone(thread):
            events, runs, kept = await self._trail.database.write(
                lambda c: self._erase(c, thread, actor, reason)
            )
        done = await self._cleared(thread, kept, runs=runs, events=events)
        await self._signing.sign()
        return done

    async def _known(self, thread: str) -> list[RunRecord] | None:
        """Return the runs of a thread, none if retention has them, None if it was erased before."""
        try:
            return await self._runs.of_thread(thread)
        except UnknownRun:
            told = thread_digest(thread)
            for event in await self._trail.events(types=["audit.erased"]):
                if event.data.get("thread_digest") == told:
                    return None
            if await self._trail.database.read(lambda c: retired(c, "thread", thread)):
                return []  # Its events may be there still, and name the person.
            raise

    def _permit(self, records: list[RunRecord], by: Principal) -> None:
        spec = self._services.spec.workflow
        owner = spec.owners.get(spec.owner or "")
        if _owns(records, by) or (owner is not None and owner.role in by.roles):
            return
        role = f"somebody with the role {owner.role!r}" if owner else "nobody else"
        raise ThreadForbidden(
            f"{by.id} may not erase a thread of somebody else",
            hint=f"its owner may, and {role}, who answers for the workflow",
        )

    async def _cancel(self, thread: str, by: Principal) -> None:
        """End what has not ended on a thread, what is queued first, so that it never begins."""
        for record in await self._runs.with_status("queued", thread=thread):
            outcome = Outcome(status="cancelled", text="Cancelled.", cause=_CANCELLED)
            self._life.emit(record, "run.cancelled", _CANCELLED, actor=by.id)
            await self._runs.update(
                record.id, status="cancelled", outcome=outcome, unless=tuple(FINAL)
            )
        for record in await self._runs.with_status("running", "awaiting_review", thread=thread):
            await self._life.cancel(record, _CANCELLED, by=by.id)

    def _erase(
        self, connection: sqlite3.Connection, thread: str, actor: str, why: str
    ) -> tuple[int, int, frozenset[str]]:
        rows = connection.execute("SELECT id, status FROM runs WHERE thread = ?", (thread,))
        runs = {row["id"]: row["status"] for row in rows.fetchall()}
        _ended(thread, runs.values())
        self._trail.store(connection)
        named = references(connection, [thread], runs)
        events = 0
        for trail in trails_of(connection, self._trail):
            events += erase_events(connection, trail, thread, by=actor, why=why, runs=runs)
        erase_rows(connection, [thread], runs)
        return events, len(runs), named

    async def _cleared(
        self, thread: str, named: frozenset[str], *, runs: int, events: int
    ) -> Forgotten:
        """Take away what nothing names any more: files, and bytes in the database's file."""
        database, artifacts = self._trail.database, self._services.carrier.artifacts
        # What waits to be stored may name results, too.
        await database.write(self._trail.store)
        kept = await database.read(references)
        files = await asyncio.to_thread(unreferenced, artifacts.folder, named, kept)
        for file in files:
            await asyncio.to_thread(file.unlink, missing_ok=True)
        return Forgotten(
            thread=thread,
            runs=runs,
            events=events,
            artifacts=len(files),
            purged=await purge(database),
        )


def trails_of(connection: sqlite3.Connection, own: Trail) -> list[Trail]:
    """Return a trail for each stream of the home; a workflow may have had another name."""
    rows = connection.execute("SELECT DISTINCT stream FROM audit_links")
    names = {row["stream"] for row in rows.fetchall()} - {own.workspace}
    return [own, *(Trail(own.database, name) for name in sorted(names))]


def _ended(thread: str, statuses: Iterable[str]) -> None:
    going = sorted(set(statuses) - set(FINAL))
    if going:
        raise RequestError(
            f"thread {thread!r} has a run that is {going[0].replace('_', ' ')}",
            hint="let it end first, or erase with force, which cancels it",
        )


def _owns(records: list[RunRecord], by: Principal) -> bool:
    return bool(records) and all(
        (r.principal.id, r.principal.tenant) == (by.id, by.tenant) for r in records
    )


def _reason(why: str, thread: str, records: list[RunRecord]) -> str:
    """Return the reason as it is recorded; it stays when the thread is gone, so it names nobody."""
    reason = plain_text(why).strip()[:_LONGEST_REASON]
    if not reason:
        raise RequestError("an erasure needs a reason", hint="say why, without naming the person")
    for name in {thread, *(r.id for r in records), *(r.principal.id for r in records)}:
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", reason, re.IGNORECASE):
            raise RequestError(
                "the reason names the person, the thread or a run, and it is kept",
                hint="say why without naming them: a ticket's number, an article of law",
            )
    return reason
