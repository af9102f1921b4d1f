"""Reads the rows of a home, each table by itself, so that a damaged one hides no other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from concertmaster.audit.envelope import type_column
from concertmaster.audit.erasing import thread_digest
from concertmaster.audit.retired import Kind, retired
from concertmaster.contracts import FINAL, Approval, RunRecord
from concertmaster.errors import StorageError
from concertmaster.orchestrator.checkpoints import ASIDE
from concertmaster.orchestrator.doctor.snapshot import Stray, Told, Unread
from concertmaster.orchestrator.lease import Lease, current_lease
from concertmaster.orchestrator.remains import keyed
from concertmaster.policies import approval_rows
from concertmaster.tools.effect_records import EffectRecord, read_effect
from concertmaster.tools.retold import STATUS_TOLD

__all__ = ["Rows"]

_PRUNED = "concertmaster.retention.pruned"
_ENDINGS = ("run.ended", "run.cancelled")
_DETAIL = "json_extract(envelope, '$.data.detail.{}') AS {}"


class Rows:
    """What the tables of a home hold; what cannot be read is in `unread`.

    Args:
        connection: for reading, within one transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.unread: list[Unread] = []
        self.columns: dict[str, str] = {}
        self.tables: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """Return the names of the tables."""
        with self._part("database"):
            found = self._all("SELECT name FROM sqlite_master WHERE type = 'table'")
            self.tables = frozenset(row["name"] for row in found)
        return self.tables

    def lease(self) -> Lease | None:
        """Return the last lease."""
        with self._part("leases", "leases"):
            return current_lease(self._connection)
        return None

    def runs(self) -> tuple[RunRecord, ...]:
        """Return the runs, oldest first; their statuses come to stand in `columns`."""

        def read(row: sqlite3.Row) -> RunRecord:
            self.columns[row["id"]] = row["status"]
            return RunRecord.model_validate_json(row["record"])

        sql = "SELECT id, status, record FROM runs ORDER BY seq"
        return tuple(self._each("runs", sql, read, lambda row: str(row["id"])))

    def effects(self) -> tuple[EffectRecord, ...]:
        """Return the rows of the ledger."""
        sql = "SELECT * FROM effects ORDER BY begun, run, position"
        return tuple(
            self._each("effects", sql, read_effect, lambda r: f"{r['run']} {r['position']}")
        )

    def approvals(self) -> tuple[Approval, ...]:
        """Return the approvals that are pending, and all of runs that have not ended."""
        open_runs = {run for run, status in self.columns.items() if status not in FINAL}

        def read(row: sqlite3.Row) -> Approval | None:
            if row["status"] != "pending" and row["run"] not in open_runs:
                return None
            found = approval_rows.find(self._connection, row["workspace"], id=row["id"])
            return found[0]

        sql = "SELECT id, run, status, workspace FROM approvals ORDER BY seq"
        found = self._each("approvals", sql, read, lambda r: f"{r['id']} {r['run']}")
        return tuple(approval for approval in found if approval is not None)

    def told(self) -> tuple[Told, ...]:
        """Return what the trail tells of each effect last."""
        types = ", ".join(f"'{name}'" for name in STATUS_TOLD)
        details = ", ".join(_DETAIL.format(n, n) for n in ("position", "call", "result"))
        sql = (
            f"SELECT run, type, json_extract(envelope, '$.time') AS time, {details}"
            f" FROM audit_events WHERE type IN ({types}) ORDER BY seq"
        )
        last: dict[tuple[str, int], Told] = {}
        with self._part("trail", "audit_events"):
            for row in self._all(sql):
                if row["run"] is None or not isinstance(row["position"], int):
                    continue
                place = row["run"], row["position"]
                before = last.get(place)
                sealed = _plain(row["result"]) or (before.sealed if before else None)
                last[place] = Told(
                    run=row["run"],
                    position=row["position"],
                    status=STATUS_TOLD[row["type"]],
                    call=row["call"],
                    time=row["time"],
                    sealed=sealed,
                )
        return tuple(last.values())

    def endings(self) -> dict[str, frozenset[str]]:
        """Return by run the statuses as which the trail tells that it ended."""
        types = ", ".join(f"'{type_column(name)}'" for name in _ENDINGS)
        sql = (
            f"SELECT run, type, {_DETAIL.format('status', 'status')} FROM audit_events"
            f" WHERE type IN ({types}) AND run IS NOT NULL"
        )
        found: dict[str, set[str]] = {}
        with self._part("trail", "audit_events"):
            for row in self._all(sql):
                cancelled = row["type"] == type_column("run.cancelled")
                status = "cancelled" if cancelled else str(row["status"])
                found.setdefault(row["run"], set()).add(status)
        return {run: frozenset(statuses) for run, statuses in found.items()}

    def moved(self) -> dict[str, str]:
        """Return by unfinished run when the trail last told of it."""
        unfinished = [run for run, status in self.columns.items() if status not in FINAL]
        sql = (
            "SELECT run, max(json_extract(envelope, '$.time')) AS time FROM audit_events"
            " WHERE run IN (SELECT value FROM json_each(?)) GROUP BY run"
        )
        with self._part("trail", "audit_events"):
            return {row["run"]: row["time"] for row in self._all(sql, json.dumps(unfinished))}
        return {}

    def missing(self) -> dict[str, str]:
        """Return by run that the trail tells of and the table has not, when it began."""
        sql = (
            "SELECT run, min(json_extract(envelope, '$.time')) AS time FROM audit_events"
            f" WHERE type = '{type_column('run.started')}' AND run NOT IN (SELECT id FROM runs)"
            " GROUP BY run"
        )
        with self._part("trail", "audit_events"):
            return {
                row["run"]: row["time"]
                for row in self._all(sql)
                if not self.went("run", row["run"])
            }
        return {}

    def went(self, kind: Kind, id_: str) -> bool:
        """Tell whether retention removed something."""
        return retired(self._connection, kind, id_) is not None

    def files_went(self) -> tuple[bool, frozenset[str]]:
        """Return whether retention removed large results by age, and which are to go next."""
        going: frozenset[str] = frozenset()
        with self._part("retired_files", "retired_files"):
            going = frozenset(row["name"] for row in self._all("SELECT name FROM retired_files"))
        sql = (
            f"SELECT 1 FROM audit_events WHERE type = '{_PRUNED}'"
            " AND json_extract(envelope, '$.data.detail.what') = 'artifacts' LIMIT 1"
        )
        with self._part("trail", "audit_events"):
            return bool(self._all(sql)), going
        return False, going

    def erased(self) -> bool:
        """Tell whether contents of the trail were erased on purpose."""
        with self._part("trail", "audit_erasures"):
            return bool(self._all("SELECT 1 FROM audit_erasures LIMIT 1"))
        return False

    def strays(self) -> tuple[tuple[Stray, ...], tuple[Stray, ...]]:
        """Return rows of threads and runs that are not there, and states that were set aside."""
        found: list[Stray] = []
        aside: list[Stray] = []
        forgotten = self._forgotten()
        tables: dict[str, dict[str, str]] = {}
        with self._part("database"):
            tables = keyed(self._connection)
        for table, columns in tables.items():
            if table in ("runs", "threads", "approvals"):
                continue
            # Of a removed run, what rules about its thread rest on may stay with the thread.
            kinds = sorted((kind, c) for c, kind in columns.items() if kind in ("thread", "run"))
            for kind, column in kinds[-1:]:
                sql = (
                    f'SELECT "{column}" AS id, count(*) AS number FROM "{table}" WHERE "{column}"'
                    f" NOT IN (SELECT id FROM {kind}s) GROUP BY 1 ORDER BY 1"
                )
                with self._part(table, f"{kind}s"):
                    for row in self._all(sql):
                        id_ = str(row["id"]).removeprefix(ASIDE)
                        stray = Stray(
                            place=table,
                            id=id_,
                            count=row["number"],
                            forgotten=thread_digest(id_) in forgotten,
                        )
                        if kind == "run" and self.went("run", id_):
                            continue
                        if id_ == row["id"] or stray.forgotten:
                            found.append(stray)
                        elif table == "checkpoints":
                            aside.append(stray)
        return tuple(found), tuple(aside)

    def _forgotten(self) -> frozenset[str]:
        """Return the digests of the threads that were erased."""
        sql = (
            f"SELECT {_DETAIL.format('thread_digest', 'thread')} FROM audit_events"
            f" WHERE type = '{type_column('audit.erased')}'"
        )
        with self._part("trail", "audit_events"):
            return frozenset(str(row["thread"]) for row in self._all(sql))
        return frozenset()

    def _each(
        self,
        table: str,
        sql: str,
        read: Callable[[sqlite3.Row], Any],
        name: Callable[[sqlite3.Row], str],
    ) -> Iterator[Any]:
        rows: list[sqlite3.Row] = []
        with self._part(table, table):
            rows = self._all(sql)
        for row in rows:
            try:
                yield read(row)
            except StorageError as error:
                self._note(table, error.message, name(row))
            except ValueError:
                self._note(table, "what is stored is no record of this release", name(row))
            except sqlite3.Error as error:
                self._note(table, str(error), name(row))

    @contextmanager
    def _part(self, part: str, table: str | None = None) -> Iterator[None]:
        """Note a part that cannot be read; one whose table is not there yet is empty."""
        try:
            yield
        except (sqlite3.Error, StorageError) as error:
            if table is None or table in self.tables:
                self._note(part, str(error))

    def _note(self, part: str, why: str, id_: str = "") -> None:
        unread = Unread(part=part, why=why, id=id_)
        if unread not in self.unread:
            self.unread.append(unread)

    def _all(self, sql: str, *values: str) -> list[sqlite3.Row]:
        return self._connection.execute(sql, values).fetchall()


def _plain(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
