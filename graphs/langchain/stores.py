"""Where a governance keeps what must outlast a call: journal, approvals, trail, grounds."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

from concertmaster import audit
from concertmaster.audit import Trail
from concertmaster.errors import HomeReadOnly
from concertmaster.graphs.langchain import journal, setups
from concertmaster.graphs.langchain.setups import Setup
from concertmaster.policies import approvals, bases
from concertmaster.policies.approvals import Approvals
from concertmaster.policies.bases import Bases
from concertmaster.policies.redaction import Redaction
from concertmaster.storage import Database

__all__ = ["FILE", "MIGRATIONS", "Stores", "open_stores"]

FILE = "governance.db"
"""The database in the home directory."""
MIGRATIONS = (
    *audit.MIGRATIONS,
    *approvals.MIGRATIONS,
    *journal.MIGRATIONS,
    *bases.MIGRATIONS,
    *setups.MIGRATIONS,
)

T = TypeVar("T")

_IN_MEMORY = Path(":memory:")


class _InMemory(Database):
    """A database whose work takes microseconds, and so is done where it is asked for."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._one = threading.Lock()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self.write_here(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._one:
            return self._read(work)

    async def look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self.read(work)

    def write_here(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do what `write` does in the caller's thread; no two at once."""
        with self._one:
            return self._write(work)

    def close(self) -> None:
        with self._one:
            super().close()


@dataclass(frozen=True, kw_only=True)
class Stores:
    """The stores of one governance; they share a database.

    `bases` keeps what decisions rest on, None where nobody could ask for it later.
    """

    database: Database
    trail: Trail
    approvals: Approvals
    data_dir: Path
    bases: Bases | None = None

    @property
    def durable(self) -> bool:
        """Whether what is stored outlasts the process."""
        return self.database.path != _IN_MEMORY

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction, from any thread, and wait for it."""
        if isinstance(self.database, _InMemory):
            return self.database.write_here(work)
        return self.database.submit(work).result()

    async def awrite(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction, from any event loop.

        Whoever is cancelled meanwhile goes on once it is known what was written.
        """
        if isinstance(self.database, _InMemory):
            return self.database.write_here(work)
        written = asyncio.wrap_future(self.database.submit(work))
        try:
            return await asyncio.shield(written)
        except asyncio.CancelledError:
            await asyncio.wait({written})
            written.exception()
            raise


def open_stores(home: Path | None, setup: Setup) -> Stores:
    """Open the stores in a home directory, or in memory, where they end with the process.

    Args:
        home: the directory; None for memory.
        setup: whose stores; a home notes it, so that its calls can be decided again.

    Raises:
        HomeReadOnly, HomeVersion, StorageError: the home cannot be used.
    """
    if home is None:
        database: Database = _InMemory.open(_IN_MEMORY, MIGRATIONS)
        data = Path(mkdtemp(prefix="governance-"))
    else:
        data = home / "data"
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeReadOnly(f"{home} cannot be made: {error.strerror}") from None
        database = Database.open(home / FILE, MIGRATIONS)
    trail = Trail(database, setup.name, redact=Redaction().told.clean)
    stores = Stores(
        database=database,
        trail=trail,
        approvals=Approvals(database, trail),
        data_dir=data,
        bases=None if home is None else Bases(trail, setup.shapes, arguments=True),
    )
    if stores.durable:
        stores.write(lambda c: setups.keep(c, setup))
    return stores
