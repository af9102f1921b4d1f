"""Where a governance keeps what must outlast a call: journal, approvals, trail."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from concertmaster import audit
from concertmaster.audit import Trail
from concertmaster.errors import HomeReadOnly
from concertmaster.graphs.langchain import journal
from concertmaster.policies import approvals
from concertmaster.policies.approvals import Approvals
from concertmaster.policies.redaction import Redaction
from concertmaster.storage import Database

__all__ = ["FILE", "Stores", "open_stores"]

FILE = "governance.db"
"""The database in the home directory."""

T = TypeVar("T")

_IN_MEMORY = Path(":memory:")


class _InMemory(Database):
    """A database whose work takes microseconds, and so is done where it is asked for."""

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with self.writing:
            return self._write(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._read(work)

    async def look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._read(work)


@dataclass(frozen=True, kw_only=True)
class Stores:
    """The stores of one governance; they share a database."""

    database: Database
    trail: Trail
    approvals: Approvals
    data_dir: Path

    @property
    def durable(self) -> bool:
        """Whether what is stored outlasts the process."""
        return self.database.path != _IN_MEMORY


def open_stores(home: Path | None, workspace: str) -> Stores:
    """Open the stores in a home directory, or in memory, where they end with the process.

    Raises:
        HomeReadOnly, HomeVersion, StorageError: the home cannot be used.
    """
    migrations = (*audit.MIGRATIONS, *approvals.MIGRATIONS, *journal.MIGRATIONS)
    if home is None:
        database: Database = _InMemory.open(_IN_MEMORY, migrations)
        data = Path(mkdtemp(prefix="governance-"))
    else:
        data = home / "data"
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeReadOnly(f"{home} cannot be made: {error.strerror}") from None
        database = Database.open(home / FILE, migrations)
    trail = Trail(database, workspace, redact=Redaction().told.clean)
    return Stores(
        database=database, trail=trail, approvals=Approvals(database, trail), data_dir=data
    )
