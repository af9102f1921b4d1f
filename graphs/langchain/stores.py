"""Where a governance keeps what must outlast a call: journal, approvals, trail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from concertmaster import audit
from concertmaster.audit import Trail
from concertmaster.errors import HomeReadOnly
from concertmaster.graphs.langchain import journal
from concertmaster.policies import approvals
from concertmaster.policies.approvals import Approvals
from concertmaster.storage import Database

__all__ = ["FILE", "Stores", "open_stores"]

FILE = "governance.db"
"""The database in the home directory."""

_IN_MEMORY = Path(":memory:")


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
        database, data = Database.open(_IN_MEMORY, migrations), Path(mkdtemp(prefix="governance-"))
    else:
        data = home / "data"
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeReadOnly(f"{home} cannot be made: {error.strerror}") from None
        database = Database.open(home / FILE, migrations)
    trail = Trail(database, workspace)
    return Stores(
        database=database, trail=trail, approvals=Approvals(database, trail), data_dir=data
    )
