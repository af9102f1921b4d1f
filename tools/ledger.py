"""What was about to happen and what happened: one row for each consequential call.

A row is `intended` durably before the call and `done` or `failed` after it. A row that is still
`intended` when somebody comes back to it was cut off: nobody knows whether the effect took place.

The transaction that writes `intended` is the last thing before the call, and a fenced database
refuses it: a process that lost its home begins no call any more.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from concertmaster.audit import Trail
from concertmaster.contracts import AuditEvent, now
from concertmaster.contracts.events import EventType
from concertmaster.errors import ConcertmasterError, EffectInDoubt, StorageError
from concertmaster.storage import Database
from concertmaster.tools.effect_records import (
    MIGRATIONS,
    Begun,
    Done,
    EffectRecord,
    EffectStatus,
    Fresh,
    InDoubt,
    Retry,
    distrusted,
    find_effect,
    idempotency_key,
    read_effect,
    write_effect,
)
from concertmaster.tools.retold import contradiction
from concertmaster.tools.sealing import seal

__all__ = ["MIGRATIONS", "Begun", "Done", "EffectRecord", "Fresh", "InDoubt", "Ledger", "Retry"]


class Ledger:
    """The effects of all runs of a home. Each change and its audit event are one transaction."""

    def __init__(self, database: Database, trail: Trail) -> None:
        self._database = database
        self._trail = trail

    async def begin(
        self,
        run: str,
        position: int,
        call: str,
        tool: str,
        idempotent: bool,
        *,
        thread: str | None = None,
        on_behalf_of: str | None = None,
    ) -> Begun:
        """Write down that a call is about to be made, and say whether it may be.

        When this returns `Fresh` or `Retry`, the intent survives a power loss.

        Args:
            run: whose plan it stands in.
            position: where it stands in the plan.
            call: digest of tool and canonical arguments.
            tool: the tool's name.
            idempotent: whether a second call under the same key does nothing more.
            thread: for the trail.
            on_behalf_of: the principal, for the trail.

        Raises:
            EffectInDoubt: another call was begun at this position and cut off, or the row was
                changed from outside.
            StorageError: another call took place there, or the row cannot be written.
            HomeFenced: another process has the home now.
        """
        claim = self._claim()
        wanted = EffectRecord(
            run=run,
            position=position,
            digest=call,
            tool=tool,
            key=idempotency_key(run, position),
            idempotent=idempotent,
            status="intended",
            thread=thread,
            on_behalf_of=on_behalf_of,
            begun=_time(),
            epoch=claim,
        )

        def work(connection: sqlite3.Connection) -> Begun:
            row = find_effect(connection, run, position)
            told = contradiction(connection, run, position, row)
            if told is not None:
                raise _changed_outside(wanted, told)
            if row is None:
                return self._first(connection, wanted)
            if (row.digest, row.tool) != (call, tool):
                raise _another_call(row)
            return self._again(connection, row, idempotent, claim)

        return await self._database.write(work)

    def _claim(self) -> int | None:
        fence = self._database.fence
        return fence.claim() if fence else None

    def _first(self, connection: sqlite3.Connection, row: EffectRecord) -> Begun:
        """Begin a call of which there is no row, unless its row may be missing."""
        why = distrusted(connection, row.run)
        if why is None or row.idempotent:
            told = f"{row.tool} is about to be called" + (f", maybe again: {why}" if why else "")
            self._put(connection, row, "effect.intended", told)
            return Retry(row.key) if why else Fresh(row.key)
        doubt = f"{why}, and nobody knows whether {row.tool} was called after that"
        self._put(connection, _changed(row, status="in_doubt", why=doubt), "effect.in_doubt", doubt)
        return InDoubt(row.key, doubt)

    def _again(
        self,
        connection: sqlite3.Connection,
        row: EffectRecord,
        idempotent: bool,
        claim: int | None,
    ) -> Retry | Done | InDoubt:
        if row.status == "done":
            self._put(connection, row, "effect.reused", f"{row.tool} was called before")
            return Done(row.result, row.reference)
        if row.status == "failed" or (row.idempotent and idempotent):
            reason = row.why if row.status != "intended" else "the last attempt was cut off"
            again = _changed(
                row,
                status="intended",
                attempts=row.attempts + 1,
                settled=None,
                settled_by=None,
                epoch=claim,
            )
            told = f"{row.tool} is about to be called again: {reason}"
            self._put(connection, again, "effect.intended", told)
            return Retry(row.key)
        loose = self._loose(connection, row)
        if row.status == "in_doubt":
            return InDoubt(row.key, row.why, loose)
        why = "the call was cut off, and nobody knows whether it took effect"
        self._put(connection, _changed(row, status="in_doubt", why=why), "effect.in_doubt", why)
        return InDoubt(row.key, why, loose)

    def _loose(self, connection: sqlite3.Connection, row: EffectRecord) -> bool:
        """Tell whether another process that is not known to have ended may still make the call."""
        fence = self._database.fence
        if fence is None or row.epoch is None:
            return False
        return not fence.gone(connection, row.epoch)

    async def finish(
        self,
        run: str,
        position: int,
        result: Any,
        *,
        reference: str | None = None,
        why: str = "",
        by: str | None = None,
    ) -> None:
        """Record that the call took effect, with its result as plain JSON.

        Raises:
            StorageError: it was never begun, or is recorded with another result.
        """

        def work(connection: sqlite3.Connection) -> None:
            row = _known(connection, run, position)
            if row.status == "done":
                if (row.result, row.reference) != (result, reference):
                    raise StorageError(f"{_name(row)} is recorded with another result")
                return
            self._settle(
                connection,
                _changed(row, status="done", result=result, reference=reference, why=why),
                why or f"{row.tool} took effect",
                by,
            )

        await self._database.write(work)

    async def fail(self, run: str, position: int, why: str, *, by: str | None = None) -> None:
        """Record that the call certainly had no effect.

        Raises:
            StorageError: it was never begun, or took effect.
        """

        def work(connection: sqlite3.Connection) -> None:
            row = _known(connection, run, position)
            if row.status == "done":
                raise StorageError(f"{_name(row)} took effect; it cannot have failed")
            if row.status != "failed":
                self._settle(connection, _changed(row, status="failed", why=why), why, by)

        await self._database.write(work)

    async def doubt(self, run: str, position: int, why: str) -> None:
        """Record that nobody knows whether the call took effect, or what else is known of it.

        Raises:
            StorageError: it was never begun, or its outcome is recorded.
        """

        def work(connection: sqlite3.Connection) -> None:
            row = _known(connection, run, position)
            if row.status in ("done", "failed"):
                raise StorageError(f"{_name(row)} is recorded as {row.status}")
            if (row.status, row.why) != ("in_doubt", why):
                doubtful = _changed(row, status="in_doubt", why=why)
                self._put(connection, doubtful, "effect.in_doubt", why)

        await self._database.write(work)

    async def resolve(
        self, run: str, position: int, took_effect: bool, by: str, result: Any = None
    ) -> None:
        """Record what a person found out about a call in doubt.

        Args:
            run: of the call.
            position: of the call.
            took_effect: what the person saw.
            by: who says so.
            result: plain JSON that stands in for the tool's result.

        Raises:
            StorageError: the call is not in doubt.
        """

        def work(connection: sqlite3.Connection) -> None:
            row = _known(connection, run, position)
            if row.status != "in_doubt":
                raise StorageError(
                    f"{_name(row)} is {row.status}, not in doubt",
                    hint="look at it again; somebody may have settled it",
                )
            took = "took effect" if took_effect else "did not take effect"
            why = f"{by} found that it {took}"
            status: EffectStatus = "done" if took_effect else "failed"
            self._settle(connection, _changed(row, status=status, result=result, why=why), why, by)

        await self._database.write(work)

    async def effects(self, run: str) -> list[EffectRecord]:
        """Return the effects of a run in the order of its plan."""
        return await self._rows("run = ? ORDER BY position", run)

    async def in_doubt(self) -> list[EffectRecord]:
        """Return every effect that a person has to look at, the oldest first."""
        return await self._rows("status = ? ORDER BY begun, run, position", "in_doubt")

    async def _rows(self, clause: str, value: str) -> list[EffectRecord]:
        sql = f"SELECT * FROM effects WHERE {clause}"
        rows = await self._database.look(lambda c: c.execute(sql, (value,)).fetchall())
        return [read_effect(row) for row in rows]

    def _settle(
        self, connection: sqlite3.Connection, row: EffectRecord, why: str, by: str | None
    ) -> None:
        settled = _changed(row, settled=_time(), settled_by=by)
        type_: EventType = "effect.done" if row.status == "done" else "effect.failed"
        self._put(connection, settled, type_, why, by)

    def _put(
        self,
        connection: sqlite3.Connection,
        row: EffectRecord,
        type_: EventType,
        why: str,
        by: str | None = None,
    ) -> None:
        write_effect(connection, row)
        self._trail.store(connection, self._event(row, type_, why, by))

    def _event(self, row: EffectRecord, type_: EventType, why: str, by: str | None) -> AuditEvent:
        done = type_ == "effect.done"
        sealed = {"result": seal(row.result, row.reference)} if done else {}
        return self._trail.event(
            type_,
            why=why,
            actor=by or "ledger",
            run=row.run,
            thread=row.thread,
            on_behalf_of=row.on_behalf_of,
            position=row.position,
            tool=row.tool,
            call=row.digest,
            key=row.key,
            attempt=row.attempts,
            **sealed,
        )


def _known(connection: sqlite3.Connection, run: str, position: int) -> EffectRecord:
    row = find_effect(connection, run, position)
    if row is None:
        raise StorageError(f"run {run}: no call was begun at position {position}")
    return row


def _changed(row: EffectRecord, **changes: Any) -> EffectRecord:
    return row.model_copy(update=changes)


def _changed_outside(row: EffectRecord, told: str) -> EffectInDoubt:
    return EffectInDoubt(
        f"{_name(row)}: {told}; somebody changed the database from outside",
        hint="ask whoever owns the tool what happened; `concertmaster audit verify` tells more",
    )


def _another_call(row: EffectRecord) -> ConcertmasterError:
    hint = "a plan never changes under its recorded effects; begin a new run"
    if row.status in ("intended", "in_doubt"):
        return EffectInDoubt(f"{_name(row)} was begun here with other arguments", hint=hint)
    return StorageError(f"{_name(row)} is recorded here with other arguments", hint=hint)


def _name(row: EffectRecord) -> str:
    return f"run {row.run}: the call of {row.tool} at position {row.position}"


def _time() -> str:
    return now().isoformat(timespec="milliseconds")
