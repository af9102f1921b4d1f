import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.audit import Trail
from concertmaster.errors import ConcertmasterError, EffectInDoubt, HomeFenced, StorageError
from concertmaster.storage import Database
from concertmaster.tools.effect_records import distrust
from concertmaster.tools.ledger import Begun, Done, Fresh, InDoubt, Ledger, Retry


async def begin(ledger: Ledger, *, idempotent: bool = False, call: str = "sha256:a") -> Begun:
    return await ledger.begin(
        "run-1", 0, call, "refund", idempotent, thread="t-1", on_behalf_of="ana"
    )


async def events(trail: Trail) -> list[str]:
    return [e.type for e in await trail.events(run="run-1")]


async def test_first_call_is_fresh_and_its_intent_is_stored(ledger: Ledger, trail: Trail) -> None:
    begun = await begin(ledger)
    assert isinstance(begun, Fresh)
    (row,) = await ledger.effects("run-1")
    assert (row.status, row.key, row.tool) == ("intended", begun.key, "refund")
    (event,) = await trail.events(run="run-1")
    assert event.type == "effect.intended"
    assert (event.thread, event.on_behalf_of) == ("t-1", "ana")
    assert event.data["call"] == "sha256:a"


async def test_done_call_returns_its_recorded_result(ledger: Ledger, trail: Trail) -> None:
    await begin(ledger)
    await ledger.finish("run-1", 0, {"paid": 5}, reference="artifact:x")
    assert await begin(ledger) == Done({"paid": 5}, "artifact:x")
    assert await begin(ledger, idempotent=True) == Done({"paid": 5}, "artifact:x")
    assert await events(trail) == [
        "effect.intended",
        "effect.done",
        "effect.reused",
        "effect.reused",
    ]


async def test_call_without_a_result_is_done_all_the_same(ledger: Ledger) -> None:
    await begin(ledger)
    await ledger.finish("run-1", 0, None)
    assert await begin(ledger) == Done(None)


async def test_cut_off_call_is_in_doubt_and_stays_so(ledger: Ledger, trail: Trail) -> None:
    await begin(ledger)
    first, second = await begin(ledger), await begin(ledger)
    assert isinstance(first, InDoubt)
    assert first == second
    assert [row.position for row in await ledger.in_doubt()] == [0]
    assert await events(trail) == ["effect.intended", "effect.in_doubt"]


async def test_cut_off_idempotent_call_is_made_again_under_the_same_key(ledger: Ledger) -> None:
    begun = await begin(ledger, idempotent=True)
    assert isinstance(begun, Fresh)
    assert await begin(ledger, idempotent=True) == Retry(begun.key)
    (row,) = await ledger.effects("run-1")
    assert row.attempts == 2
    assert await ledger.in_doubt() == []


async def test_call_begun_as_not_idempotent_does_not_become_so_later(ledger: Ledger) -> None:
    await begin(ledger, idempotent=False)
    assert isinstance(await begin(ledger, idempotent=True), InDoubt)


async def test_failed_call_may_be_made_again(ledger: Ledger, trail: Trail) -> None:
    begun = await begin(ledger)
    assert isinstance(begun, Fresh)
    await ledger.fail("run-1", 0, "the account is closed")
    assert await begin(ledger) == Retry(begun.key)
    assert await events(trail) == ["effect.intended", "effect.failed", "effect.intended"]


async def test_another_call_at_the_same_position_is_an_error(ledger: Ledger) -> None:
    await begin(ledger)
    with pytest.raises(EffectInDoubt, match="with other arguments"):
        await begin(ledger, call="sha256:b")
    await ledger.finish("run-1", 0, 1)
    with pytest.raises(StorageError, match="with other arguments"):
        await begin(ledger, call="sha256:b")


async def test_outcome_is_recorded_once(ledger: Ledger, trail: Trail) -> None:
    await begin(ledger)
    await ledger.finish("run-1", 0, 1)
    await ledger.finish("run-1", 0, 1)
    with pytest.raises(StorageError, match="another result"):
        await ledger.finish("run-1", 0, 2)
    with pytest.raises(StorageError, match="took effect"):
        await ledger.fail("run-1", 0, "no")
    with pytest.raises(StorageError, match="recorded as done"):
        await ledger.doubt("run-1", 0, "who knows")
    assert (await events(trail)).count("effect.done") == 1


async def test_nothing_is_recorded_of_a_call_that_was_never_begun(ledger: Ledger) -> None:
    for record in (
        ledger.finish("run-1", 0, 1),
        ledger.fail("run-1", 0, "no"),
        ledger.doubt("run-1", 0, "who knows"),
        ledger.resolve("run-1", 0, True, "li"),
    ):
        with pytest.raises(StorageError, match="no call was begun"):
            await record
    assert await ledger.effects("run-1") == []


@pytest.mark.parametrize(
    ("took", "after"), [(True, Done({"seen": True})), (False, Retry)], ids=["took", "took not"]
)
async def test_person_settles_a_doubt(ledger: Ledger, trail: Trail, took: bool, after: Any) -> None:
    await begin(ledger)
    await ledger.doubt("run-1", 0, "it timed out")
    await ledger.resolve("run-1", 0, took, "li", {"seen": True} if took else None)
    assert await ledger.in_doubt() == []
    event = (await trail.events(run="run-1"))[-1]
    assert (event.type, event.actor) == ("effect.done" if took else "effect.failed", "li")
    begun = await begin(ledger)
    assert begun == after if took else isinstance(begun, after)


async def test_only_a_doubt_can_be_settled(ledger: Ledger) -> None:
    await begin(ledger)
    with pytest.raises(StorageError, match="is intended, not in doubt"):
        await ledger.resolve("run-1", 0, True, "li")


async def test_result_that_comes_late_settles_the_doubt(ledger: Ledger) -> None:
    await begin(ledger)
    await ledger.doubt("run-1", 0, "slow")
    await ledger.finish("run-1", 0, 1)
    assert await begin(ledger) == Done(1)
    assert await ledger.in_doubt() == []


async def test_row_and_event_are_written_together_or_not_at_all(
    ledger: Ledger, trail: Trail, database: Database
) -> None:
    await database.write(lambda c: c.execute("DROP TRIGGER audit_events_no_replace"))
    await database.write(
        lambda c: c.execute(
            "CREATE TRIGGER full BEFORE INSERT ON audit_events"
            " BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    )
    with pytest.raises(ConcertmasterError):
        await begin(ledger)
    assert await ledger.effects("run-1") == []


STEPS = st.lists(
    st.sampled_from(["begin", "finish", "fail", "doubt", "took", "took not"]), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, idempotent=st.booleans())
async def test_no_order_of_events_lets_a_call_that_is_not_idempotent_run_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], idempotent: bool
) -> None:
    from concertmaster.audit import MIGRATIONS as AUDIT
    from concertmaster.tools.ledger import MIGRATIONS

    database = Database.open(tmp_path_factory.mktemp("home") / "h.db", (*AUDIT, *MIGRATIONS))
    ledger = Ledger(database, Trail(database, "desk"))
    certainly_free = True  # no call that may have had an effect is behind us
    try:
        for step in steps:
            try:
                if step == "begin":
                    begun = await begin(ledger, idempotent=idempotent)
                    may_run = isinstance(begun, Fresh | Retry)
                    if may_run:
                        assert certainly_free or idempotent
                        certainly_free = False
                elif step == "finish":
                    await ledger.finish("run-1", 0, 1)
                    certainly_free = False
                elif step == "fail":
                    await ledger.fail("run-1", 0, "no")
                    certainly_free = True
                elif step == "doubt":
                    await ledger.doubt("run-1", 0, "?")
                else:
                    await ledger.resolve("run-1", 0, step == "took", "li")
                    certainly_free = step == "took not"
            except StorageError:
                pass
    finally:
        database.close()


# Rows that were changed by hand


async def by_hand(database: Database, sql: str) -> None:
    await database.write(lambda c: c.execute(sql))


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("DELETE FROM effects", "the trail tells of a call that is done"),
        ("UPDATE effects SET status = 'intended', result = NULL", "the ledger says intended"),
        ("UPDATE effects SET status = 'failed', result = NULL", "the ledger says failed"),
        ("UPDATE effects SET status = 'in_doubt', result = NULL", "the ledger says in_doubt"),
        ("UPDATE effects SET key = 'sha256:other'", "the key in the ledger is not that"),
        ("UPDATE effects SET digest = 'sha256:b'", "another call than the trail tells of"),
        ("UPDATE effects SET position = 1", "the trail tells of a call that is done"),
        ("UPDATE effects SET run = 'run-2'", "the trail tells of a call that is done"),
    ],
)
async def test_call_whose_row_was_changed_is_not_made_again(
    ledger: Ledger, database: Database, sql: str, told: str, idempotent: bool
) -> None:
    await begin(ledger, idempotent=idempotent)
    await ledger.finish("run-1", 0, {"paid": 5})
    await by_hand(database, sql)
    with pytest.raises(EffectInDoubt, match=told) as caught:
        await begin(ledger, idempotent=idempotent)
    assert "changed the database from outside" in caught.value.message
    assert caught.value.hint


async def test_call_that_is_said_to_be_done_by_hand_is_not_taken_for_done(
    ledger: Ledger, database: Database
) -> None:
    await begin(ledger)
    await by_hand(database, """UPDATE effects SET status = 'done', result = '{"paid": 5}'""")
    with pytest.raises(EffectInDoubt, match="the ledger says done, and the trail says intended"):
        await begin(ledger)


@pytest.mark.parametrize("change", ["result = '{'", "idempotent = 7"])
async def test_row_that_cannot_be_read_is_told(
    ledger: Ledger, database: Database, change: str
) -> None:
    await begin(ledger)
    await ledger.finish("run-1", 0, 1)
    await by_hand(database, f"UPDATE effects SET {change}")
    with pytest.raises(StorageError, match="it was changed from outside"):
        await begin(ledger)


async def test_call_declared_idempotent_by_hand_is_not_made_again(
    ledger: Ledger, database: Database
) -> None:
    await begin(ledger, idempotent=False)
    await by_hand(database, "UPDATE effects SET idempotent = 1")
    assert isinstance(await begin(ledger, idempotent=False), InDoubt)


async def test_result_of_another_position_is_told_apart(ledger: Ledger) -> None:
    await begin(ledger)
    await ledger.finish("run-1", 0, 1)
    other = await ledger.begin("run-1", 1, "sha256:c", "refund", False)
    assert isinstance(other, Fresh)


# Homes that change hands


class Hands:
    """A fence whose epoch a test sets, and of which it says who is gone."""

    def __init__(self) -> None:
        self.epoch: int | None = 1
        self.stored = 1
        self.ended: set[int] = set()

    def claim(self) -> int | None:
        return self.epoch

    def check(self, connection: sqlite3.Connection, claim: int) -> None:
        if claim != self.stored:
            raise HomeFenced("somebody else has it")

    def gone(self, connection: sqlite3.Connection, epoch: int) -> bool:
        return epoch in self.ended


@pytest.fixture
def hands(database: Database) -> Hands:
    fence = Hands()
    database.fence = fence
    return fence


async def test_fenced_ledger_begins_nothing(ledger: Ledger, trail: Trail, hands: Hands) -> None:
    hands.stored = 2
    with pytest.raises(HomeFenced):
        await begin(ledger)
    assert await ledger.effects("run-1") == []
    assert await events(trail) == []


async def test_fenced_ledger_records_no_outcome(ledger: Ledger, hands: Hands) -> None:
    await begin(ledger)
    hands.stored = 2
    for record in (
        ledger.finish("run-1", 0, 1),
        ledger.fail("run-1", 0, "no"),
        ledger.doubt("run-1", 0, "who knows"),
    ):
        with pytest.raises(HomeFenced):
            await record
    (row,) = await ledger.effects("run-1")
    assert (row.status, row.epoch) == ("intended", 1)


@pytest.mark.parametrize("ended", [True, False])
async def test_call_of_another_process_is_loose_until_that_has_ended(
    ledger: Ledger, hands: Hands, ended: bool
) -> None:
    await begin(ledger)
    hands.epoch = hands.stored = 2
    hands.ended = {1} if ended else set()
    for _ in range(2):
        begun = await begin(ledger)
        assert isinstance(begun, InDoubt)
        assert begun.loose is not ended


async def test_call_that_is_made_again_belongs_to_the_present_epoch(
    ledger: Ledger, hands: Hands
) -> None:
    await begin(ledger, idempotent=True)
    hands.epoch = hands.stored = 2
    assert isinstance(await begin(ledger, idempotent=True), Retry)
    (row,) = await ledger.effects("run-1")
    assert row.epoch == 2


async def test_run_of_an_older_copy_begins_no_call_as_new(
    ledger: Ledger, database: Database
) -> None:
    await database.write(lambda c: distrust(c, ["run-1"], "the home was restored"))
    begun = await begin(ledger)
    assert isinstance(begun, InDoubt)
    assert "the home was restored" in begun.why
    assert [row.run for row in await ledger.in_doubt()] == ["run-1"]
    again = await ledger.begin("run-1", 1, "sha256:c", "refund", True)
    assert isinstance(again, Retry)
    assert isinstance(await ledger.begin("run-2", 0, "sha256:c", "refund", False), Fresh)
