import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from concertmaster import audit
from concertmaster.audit import Trail
from concertmaster.contracts import Action
from concertmaster.errors import StorageError
from concertmaster.storage import Database
from concertmaster.tools.plans import MIGRATIONS, Plans


@pytest.fixture
def plans(database: Database) -> Plans:
    return Plans(database)


def action(position: int, order: int = 7, step: str = "executor") -> Action:
    return Action(
        position=position,
        step=step,
        tool="get_order",
        arguments={"order": order},
        key=f"order_{position}",
        why="to see it",
    )


async def test_plan_is_read_back_in_order_and_by_step(plans: Plans) -> None:
    await plans.save("run-1", "later", [action(2, step="later")])
    await plans.save("run-1", "executor", [action(1), action(0)])
    await plans.save("run-2", "executor", [action(0, order=9)])
    assert await plans.load("run-1") == [action(0), action(1), action(2, step="later")]
    assert await plans.load("run-1", "later") == [action(2, step="later")]
    assert await plans.get("run-2", 0) == action(0, order=9)
    assert await plans.get("run-1", 3) is None
    assert await plans.load("run-3") == []


async def test_saving_the_same_action_again_does_nothing(plans: Plans) -> None:
    await plans.save("run-1", "executor", [action(0)])
    reworded = action(0).model_copy(update={"why": "said differently", "call_id": "c-2"})
    await plans.save("run-1", "executor", [reworded])
    assert await plans.history("run-1", 0) == [action(0)]


async def test_different_action_at_a_position_is_refused_and_nothing_is_written(
    plans: Plans,
) -> None:
    await plans.save("run-1", "executor", [action(1)])
    with pytest.raises(StorageError, match="another call was accepted at position 1"):
        await plans.save("run-1", "executor", [action(0), action(1, order=8)])
    assert await plans.load("run-1") == [action(1)]


async def test_action_of_another_step_is_refused(plans: Plans) -> None:
    with pytest.raises(StorageError, match="belongs to 'executor'"):
        await plans.save("run-1", "other", [action(0)])


async def test_edit_takes_the_place_and_keeps_the_history(plans: Plans) -> None:
    await plans.save("run-1", "executor", [action(0)])
    await plans.amend("run-1", 0, action(0, order=8))
    await plans.amend("run-1", 0, action(0, order=8))
    assert await plans.get("run-1", 0) == action(0, order=8)
    assert await plans.history("run-1", 0) == [action(0), action(0, order=8)]
    await plans.save("run-1", "executor", [action(0)])
    assert await plans.load("run-1") == [action(0, order=8)]


@pytest.mark.parametrize("change", [{"tool": "drop"}, {"position": 1}, {"step": "x"}, {"key": "x"}])
async def test_edit_may_change_arguments_only(plans: Plans, change: dict[str, object]) -> None:
    await plans.save("run-1", "executor", [action(0)])
    with pytest.raises(StorageError, match="may change its arguments only"):
        await plans.amend("run-1", 0, action(0).model_copy(update=change))


async def test_edit_of_what_was_never_accepted_is_refused(plans: Plans) -> None:
    with pytest.raises(StorageError, match="no call was accepted"):
        await plans.amend("run-1", 0, action(0))


async def test_plan_survives_its_process(tmp_path: Path) -> None:
    first = Database.open(tmp_path / "other.db", MIGRATIONS)
    await Plans(first).save("run-1", "executor", [action(0)])
    first.close()
    second = Database.open(tmp_path / "other.db", MIGRATIONS)
    assert await Plans(second).load("run-1") == [action(0)]
    second.close()


async def test_damaged_row_is_told(plans: Plans, database: Database) -> None:
    await plans.save("run-1", "executor", [action(0)])
    await database.write(lambda c: c.execute("UPDATE plans SET action = '{}'"))
    with pytest.raises(StorageError, match="cannot be read"):
        await plans.load("run-1")


async def test_waiting_plan_counts_at_once_and_is_stored_with_the_trail(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "home.db", (*MIGRATIONS, *audit.MIGRATIONS))
    trail = Trail(database, "desk")
    plans = Plans(database, trail)
    await plans.save("run-1", "executor", [action(0)])
    assert await plans.load("run-1") == [action(0)]
    assert await plans.get("run-1", 0) == action(0)
    with pytest.raises(StorageError, match="another call was accepted"):
        await plans.save("run-1", "executor", [action(0, order=8)])
    assert await Plans(database).load("run-1") == []
    await database.write(trail.store)
    assert await Plans(database).load("run-1") == [action(0)]
    assert await plans.load("run-1") == [action(0)]
    database.close()


async def test_waiting_plan_survives_a_transaction_that_is_rolled_back(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "home.db", (*MIGRATIONS, *audit.MIGRATIONS))
    trail = Trail(database, "desk")
    plans = Plans(database, trail)
    await plans.save("run-1", "executor", [action(0)])

    def broken(connection: sqlite3.Connection) -> None:
        trail.store(connection)
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(broken)
    assert await Plans(database).load("run-1") == []
    await database.write(trail.store)
    assert await Plans(database).load("run-1") == [action(0)]
    database.close()


async def test_plan_that_another_process_made_meanwhile_holds(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "home.db", (*MIGRATIONS, *audit.MIGRATIONS))
    trail = Trail(database, "desk")
    plans = Plans(database, trail)
    await plans.save("run-1", "executor", [action(0), action(1)])
    await plans.save("run-2", "executor", [action(0)])
    await Plans(database).save("run-1", "executor", [action(0, order=8)])
    await database.write(trail.store)
    assert await plans.load("run-1") == [action(0, order=8)]
    assert await plans.load("run-2") == [action(0)]
    database.close()


async def test_plan_is_stored_once_and_whole_by_writes_that_share_a_transaction(
    tmp_path: Path,
) -> None:
    database = Database.open(tmp_path / "home.db", (*MIGRATIONS, *audit.MIGRATIONS))
    trail = Trail(database, "desk")
    plans = Plans(database, trail)
    await plans.save("run-1", "executor", [action(0)])
    go_on, begun = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait()

    def later(connection: sqlite3.Connection) -> None:
        # As if accepted between two works of one transaction.
        plans._waiting[("run-1", 1)] = action(1)
        trail.store(connection)

    holding = asyncio.create_task(database.write(hold))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    others = asyncio.gather(*(database.write(w) for w in (trail.store, later, trail.store)))
    await asyncio.sleep(0)
    go_on.set()
    await holding
    await others
    assert await Plans(database).load("run-1") == [action(0), action(1)]
    assert not plans._waiting
    database.close()
