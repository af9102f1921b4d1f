from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.audit import Trail
from concertmaster.errors import ConcertmasterError, EffectInDoubt, StorageError
from concertmaster.storage import Database
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
