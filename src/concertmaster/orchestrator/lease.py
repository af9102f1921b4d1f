"""Who may work in a home: one row for each time that it changed hands, the last one counts.

A row is a lease. Its holder promises to raise `beat` within `seconds` for as long as it works.
Whoever wants the home and sees the same beat for that long, by its own clock, may take it: clocks
of two processes are never compared. The number of the row is its epoch; every transaction of a
holder compares it, so that one whose lease was taken writes nothing at all any more.

What no fence can do is call back a tool that was on its way when its process was stopped. Such a
call stands in the ledger as intended. If its tool is idempotent, both calls carry the same key;
any other call is not made again while the stopped process may still wake up, but goes to a person.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from concertmaster.contracts import now
from concertmaster.errors import ConfigError
from concertmaster.orchestrator.processes import Process
from concertmaster.storage import Migration

__all__ = [
    "LEASE",
    "MIGRATIONS",
    "Lease",
    "beat",
    "begin_lease",
    "current_lease",
    "lease_of",
    "lease_seconds",
    "settle_restored",
]

LEASE = 15.0
"""Seconds without a sign of life after which a home may be taken from its holder."""

_LEAST = 0.2
_KEPT = 1000

MIGRATIONS = (
    Migration(
        "orchestrator.lease",
        1,
        """
        CREATE TABLE IF NOT EXISTS leases (
            epoch INTEGER PRIMARY KEY, holder TEXT NOT NULL, pid INTEGER NOT NULL,
            host TEXT NOT NULL, boot TEXT NOT NULL, started TEXT NOT NULL,
            seconds REAL NOT NULL, beat INTEGER NOT NULL DEFAULT 0,
            begun TEXT NOT NULL, renewed TEXT NOT NULL,
            taken INTEGER NOT NULL DEFAULT 0, restored INTEGER NOT NULL DEFAULT 0
        ) STRICT
        """,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """One row. `begun` and `renewed` are for people; nothing is decided by them.

    `taken` tells that the holder before gave no sign of life, `restored` that the home is an older
    copy and nobody has looked after its unfinished runs yet.
    """

    epoch: int
    holder: str
    pid: int
    host: str
    boot: str
    started: str
    seconds: float
    beat: int
    begun: str
    renewed: str
    taken: bool = False
    restored: bool = False

    @property
    def process(self) -> Process:
        """The holder's process."""
        return Process(pid=self.pid, host=self.host, boot=self.boot, started=self.started)


def lease_seconds() -> float:
    """Return how long a lease lasts: CONCERTMASTER_LEASE, else 15 seconds.

    Raises:
        ConfigError: it is no number of seconds of at least 0.2.
    """
    value = os.environ.get("CONCERTMASTER_LEASE")
    try:
        seconds = float(value) if value else LEASE
    except ValueError:
        seconds = -1.0
    if not _LEAST <= seconds < float("inf"):
        raise ConfigError(
            f"CONCERTMASTER_LEASE is {value!r}",
            hint=f"give a number of seconds of at least {_LEAST}, such as 15",
        )
    return seconds


def current_lease(connection: sqlite3.Connection) -> Lease | None:
    """Return the last lease, None if nobody ever worked in the home."""
    return _one(connection, "ORDER BY epoch DESC LIMIT 1")


def lease_of(connection: sqlite3.Connection, epoch: int) -> Lease | None:
    """Return the lease of an epoch, if it is still known."""
    return _one(connection, "WHERE epoch = ?", epoch)


def begin_lease(
    connection: sqlite3.Connection,
    holder: str,
    process: Process,
    seconds: float,
    *,
    after: int = 0,
    taken: bool = False,
    restored: bool = False,
) -> Lease:
    """Begin the next epoch and return its lease.

    Args:
        connection: within a transaction.
        holder: who holds it, one of several in the same process.
        process: the holder's.
        seconds: how long it may be silent.
        after: an epoch that is known to have been there, and is passed by.
        taken: whether the holder before was silent.
        restored: whether the home is an older copy.
    """
    before = current_lease(connection)
    stamp = now().isoformat(timespec="milliseconds")
    lease = Lease(
        epoch=max(before.epoch if before else 0, after) + 1,
        holder=holder,
        **asdict(process),
        seconds=seconds,
        beat=0,
        begun=stamp,
        renewed=stamp,
        taken=taken,
        restored=restored or (before is not None and before.restored),
    )
    values = asdict(lease) | {"taken": int(taken), "restored": int(lease.restored)}
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO leases ({names}) VALUES ({marks})", values)
    connection.execute("DELETE FROM leases WHERE epoch <= ?", (lease.epoch - _KEPT,))
    return lease


def beat(path: Path, epoch: int) -> int | None:
    """Give a sign of life on a connection of its own, durably; None if the home changed hands.

    A process that is stopped while it writes keeps everybody else out of the database. So the
    transaction is as short as it can be, and what it wrote is forced to the disk after it.

    Returns:
        How many there were in this epoch.

    Raises:
        sqlite3.Error, OSError: it could not be written.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        with connection:
            changed = connection.execute(
                "UPDATE leases SET beat = beat + 1, renewed = ?1"
                " WHERE epoch = ?2 AND epoch = (SELECT max(epoch) FROM leases) RETURNING beat",
                (now().isoformat(timespec="milliseconds"), epoch),
            ).fetchone()
        with suppress(FileNotFoundError), path.with_name(f"{path.name}-wal").open("rb") as log:
            os.fsync(log.fileno())
        return changed[0] if changed else None
    finally:
        connection.close()


def settle_restored(connection: sqlite3.Connection) -> None:
    """Note that the unfinished runs of an older copy were looked after."""
    connection.execute("UPDATE leases SET restored = 0")


def _one(connection: sqlite3.Connection, clause: str, *values: int) -> Lease | None:
    connection.row_factory = sqlite3.Row
    row = connection.execute(f"SELECT * FROM leases {clause}", values).fetchone()
    if row is None:
        return None
    found = dict(row)
    return Lease(**{**found, "taken": bool(found["taken"]), "restored": bool(found["restored"])})
