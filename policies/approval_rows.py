"""How approvals are stored: one JSON record a row, checked whenever it is read."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import suppress

from pydantic import ValidationError

from concertmaster.contracts import Approval
from concertmaster.errors import StorageError
from concertmaster.storage import Migration

__all__ = [
    "MIGRATIONS",
    "SCHEMA_VERSION",
    "find",
    "fresh_id",
    "insert",
    "overdue",
    "read",
    "replace",
    "waiting_runs",
]

SCHEMA_VERSION = 1

# As in the trail, columns are generated from the record, so that they cannot contradict it.
_APPROVALS = """
CREATE TABLE approvals (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    record TEXT NOT NULL,
    id TEXT GENERATED ALWAYS AS (json_extract(record, '$.id')) STORED NOT NULL UNIQUE,
    run TEXT GENERATED ALWAYS AS (json_extract(record, '$.run')) STORED NOT NULL,
    thread TEXT GENERATED ALWAYS AS (json_extract(record, '$.thread')) STORED NOT NULL,
    position INTEGER GENERATED ALWAYS AS (json_extract(record, '$.position')) STORED NOT NULL,
    requester TEXT GENERATED ALWAYS AS (json_extract(record, '$.requester')) STORED NOT NULL,
    status TEXT GENERATED ALWAYS AS (json_extract(record, '$.status')) STORED NOT NULL
) STRICT;
CREATE INDEX approvals_by_run ON approvals (run, position, seq);
CREATE INDEX approvals_by_status ON approvals (status, seq);
CREATE UNIQUE INDEX approvals_one_pending ON approvals (workspace, run, position)
WHERE status = 'pending'
"""

# Columns that are added to a table cannot be stored ones; the index holds their values.
_DEADLINES = """
ALTER TABLE approvals ADD COLUMN
    due TEXT GENERATED ALWAYS AS (json_extract(record, '$.due')) VIRTUAL;
CREATE INDEX approvals_by_due ON approvals (workspace, due)
WHERE status = 'pending' AND due IS NOT NULL
"""

# Who may look at an approval as one of those who decide it: the roles that it needs, or needed
# before it was escalated, and who has answered. Triggers keep it, so that it follows the record
# whoever writes that. What is asked for page by page has an index in the order of its pages.
_READS = """
    SELECT {0}.id AS approval, 'role:' || json_extract({0}.record, n.fullkey || '.role') AS reader
    FROM {1} json_each({0}.record, '$.needs') n
    UNION SELECT {0}.id, 'role:' || json_extract({0}.record, n.fullkey || '.role')
    FROM {1} json_each({0}.record, '$.instead_of') n
    UNION SELECT {0}.id, 'person:' || json_extract({0}.record, n.fullkey || '.by')
    FROM {1} json_each({0}.record, '$.votes') n
"""
_ENTER = f"""
    INSERT INTO approval_readers (approval, reader)
    SELECT approval, reader FROM ({_READS}) WHERE reader IS NOT NULL;
"""
_READERS = f"""
CREATE TABLE approval_readers (
    reader TEXT NOT NULL, approval TEXT NOT NULL, PRIMARY KEY (reader, approval)
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_readers_by_approval ON approval_readers (approval, reader);
CREATE TRIGGER approval_readers_new AFTER INSERT ON approvals
BEGIN {_ENTER.format("new", "")} END;
CREATE TRIGGER approval_readers_changed AFTER UPDATE ON approvals
BEGIN
    DELETE FROM approval_readers WHERE approval IN (old.id, new.id);
    {_ENTER.format("new", "")}
END;
CREATE TRIGGER approval_readers_gone AFTER DELETE ON approvals
BEGIN DELETE FROM approval_readers WHERE approval = old.id; END;
{_ENTER.format("a", "approvals a,")}
ALTER TABLE approvals ADD COLUMN
    created TEXT GENERATED ALWAYS AS (json_extract(record, '$.created')) VIRTUAL;
ALTER TABLE approvals ADD COLUMN
    tool TEXT GENERATED ALWAYS AS (json_extract(record, '$.action.tool')) VIRTUAL;
CREATE INDEX approvals_in_order ON approvals (workspace, created, id);
CREATE INDEX approvals_in_order_by_status ON approvals (workspace, status, created, id);
CREATE INDEX approvals_in_order_by_tool ON approvals (workspace, tool, created, id);
CREATE INDEX approvals_in_order_by_requester ON approvals (workspace, requester, created, id)
"""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(room="approvals", version=1, sql=_APPROVALS),
    Migration(room="approvals", version=2, sql=_DEADLINES),
    Migration(room="approvals", version=3, sql=_READERS),
)

_COLUMNS = frozenset({"id", "run", "thread", "position", "requester", "status"})


def find(connection: sqlite3.Connection, workspace: str, **wanted: str | int) -> list[Approval]:
    """Return the approvals of a workspace with these column values, oldest first.

    Raises:
        StorageError: a row is damaged or of another version.
    """
    rows = connection.execute(
        f"SELECT id, schema_version, record FROM approvals WHERE {_clauses(wanted)} ORDER BY seq",
        (workspace, *wanted.values()),
    )
    return [read(row) for row in rows]


def overdue(
    connection: sqlite3.Connection, workspace: str, at: str, **wanted: str | int
) -> list[Approval]:
    """Return the pending approvals whose deadline is over, oldest first.

    One that is damaged is left out: nobody can answer it, and the others do not wait for it.
    """
    rows = connection.execute(
        f"SELECT id, schema_version, record FROM approvals WHERE {_clauses(wanted)}"
        " AND status = 'pending' AND due IS NOT NULL AND due <= ? ORDER BY seq",
        (workspace, *wanted.values(), at),
    )
    found = []
    for row in rows:
        with suppress(StorageError):
            found.append(read(row))
    return found


def waiting_runs(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the runs of all workspaces for which somebody still has to decide."""
    rows = connection.execute("SELECT DISTINCT run FROM approvals WHERE status = 'pending'")
    return frozenset(row[0] for row in rows)


def _clauses(wanted: Mapping[str, str | int]) -> str:
    unknown = set(wanted) - _COLUMNS
    if unknown:
        raise ValueError(f"approvals have no column {sorted(unknown)}")
    return " AND ".join(["workspace = ?", *(f"{name} = ?" for name in wanted)])


def insert(connection: sqlite3.Connection, workspace: str, approval: Approval) -> None:
    """Store a new approval."""
    connection.execute(
        "INSERT INTO approvals (workspace, schema_version, record) VALUES (?, ?, ?)",
        (workspace, SCHEMA_VERSION, _text(approval)),
    )


def replace(connection: sqlite3.Connection, workspace: str, approval: Approval) -> None:
    """Store what became of a pending approval."""
    connection.execute(
        "UPDATE approvals SET record = ? WHERE workspace = ? AND id = ? AND status = 'pending'",
        (_text(approval), workspace, approval.id),
    )


def fresh_id(connection: sqlite3.Connection) -> str:
    """Return an id that is short enough to type and not taken: `apr-` and eight hex digits."""
    while True:
        id_ = f"apr-{secrets.token_hex(4)}"
        if connection.execute("SELECT 1 FROM approvals WHERE id = ?", (id_,)).fetchone() is None:
            return id_


def _text(approval: Approval) -> str:
    # Not `model_dump_json`: it writes NaN and Infinity as null.
    return json.dumps(approval.model_dump(), ensure_ascii=True, allow_nan=False)


def read(row: sqlite3.Row) -> Approval:
    """Return the approval of a row with `id`, `schema_version` and `record`.

    Raises:
        StorageError: it is damaged or of another version.
    """
    if row["schema_version"] != SCHEMA_VERSION:
        raise StorageError(
            f"approval {row['id']} has version {row['schema_version']},"
            f" this release reads {SCHEMA_VERSION}",
            hint="read it with the release that wrote it, or a newer one",
        )
    try:
        return Approval.model_validate(json.loads(row["record"]))
    except (ValueError, ValidationError):
        raise StorageError(
            f"approval {row['id']} is damaged: what is stored is no approval",
            hint="restore a backup, or cancel its run",
        ) from None
