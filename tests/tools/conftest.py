from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.audit import MIGRATIONS as AUDIT
from concertmaster.audit import Trail
from concertmaster.contracts import Action, Principal
from concertmaster.storage import Database
from concertmaster.tools import ToolContext
from concertmaster.tools.journal import MIGRATIONS as JOURNAL
from concertmaster.tools.journal import Journal
from concertmaster.tools.ledger import MIGRATIONS as LEDGER
from concertmaster.tools.ledger import Ledger
from concertmaster.tools.plans import MIGRATIONS as PLANS


@pytest.fixture
def ctx(tmp_path: Path) -> ToolContext:
    return ToolContext(
        principal=Principal(id="ana", roles=("customer",)),
        run="run-1",
        thread="t-1",
        idempotency_key="key-1",
        data_dir=tmp_path,
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "home.db", (*AUDIT, *LEDGER, *JOURNAL, *PLANS))
    yield database
    database.close()


@pytest.fixture
def trail(database: Database) -> Trail:
    return Trail(database, "desk")


@pytest.fixture
def ledger(database: Database, trail: Trail) -> Ledger:
    return Ledger(database, trail)


@pytest.fixture
def journal(trail: Trail) -> Journal:
    return Journal(trail)


@pytest.fixture
def refund() -> Action:
    return Action(
        position=0,
        step="executor",
        tool="refund",
        arguments={"order": 7, "amount": 500},
        key="refund",
        why="charged twice",
    )
