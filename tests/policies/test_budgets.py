import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from concertmaster.contracts.budget import BudgetSpec
from concertmaster.policies.budgets import Beyond, Spender, limits_of, verdict
from concertmaster.policies.spending import MIGRATIONS, Held, Spending
from concertmaster.storage import Database

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ANA = Spender(run="r1", thread="t1", principal="ana", tenant=None, workflow="desk")


def spec(**given: Any) -> BudgetSpec:
    return BudgetSpec.model_validate({"id": "b", "of": "tokens", "most": 100, **given})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "home.sqlite3", MIGRATIONS)
    yield opened
    opened.close()


def spending(database: Database, *budgets: BudgetSpec, at: datetime = NOON) -> Spending:
    return Spending(database, budgets, clock=lambda: at)


@pytest.mark.parametrize(
    "wrong",
    [
        {"most": 0},
        {"most": float("inf")},
        {"within": "day"},
        {"of": "tool_calls", "at_limit": "cheaper"},
        {"at_limit": "ask"},
        {"per": "everyone"},
    ],
)
def test_budget_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**wrong)


def test_principal_has_a_budget_a_day_unless_it_says_otherwise() -> None:
    assert spec(per="principal").window == "day"
    assert spec(per="principal", within="month").window == "month"
    assert spec().window is None


def test_windows_are_calendar_spans_in_utc() -> None:
    late = datetime(2026, 5, 4, 23, 30, tzinfo=UTC)
    east = late.astimezone(tz=None)
    limits = [limits_of([spec(per="principal", within=w)], ANA, east)[0] for w in ("hour", "day")]
    assert [limit.window for limit in limits] == ["2026-05-04T23", "2026-05-04"]


def test_tenant_budget_does_not_count_for_those_without_a_tenant() -> None:
    assert limits_of([spec(per="tenant")], ANA, NOON) == ()


def test_used_up_budget_admits_nothing_that_counts_against_it() -> None:
    limits = limits_of([spec()], ANA, NOON)
    taken = {limits[0].place: 100.0}
    found = verdict(limits, taken, {}, {"tokens": 0})
    assert found is not None
    assert found.why == "the budget b of 100 tokens per run is used up"
    assert verdict(limits, taken, {}, {"money": 1.0}) is None


def test_verdict_says_what_is_left_and_what_was_wanted() -> None:
    limits = limits_of([spec(of="money", most=2, per="principal")], ANA, NOON)
    found = verdict(limits, {limits[0].place: 1.5}, {}, {"money": 0.6})
    assert found is not None
    assert found.why == (
        "the budget b of 2.00 USD per principal a day leaves 0.5000 USD,"
        " and this needs about 0.6000 USD"
    )


async def test_estimate_is_held_back_and_replaced_by_what_was_spent(database: Database) -> None:
    accounts = spending(database, spec())
    held = await accounts.hold(ANA, {"tokens": 80})
    assert isinstance(held, Held)
    assert isinstance(await accounts.hold(ANA, {"tokens": 30}), Beyond)
    await accounts.settle(held, {"tokens": 20})
    assert (await accounts.accounts(ANA))[0].left == 80
    assert isinstance(await accounts.hold(ANA, {"tokens": 80}), Held)


async def test_settling_twice_counts_once(database: Database) -> None:
    accounts = spending(database, spec())
    held = await accounts.hold(ANA, {"tokens": 80})
    assert isinstance(held, Held)
    await accounts.settle(held, {"tokens": 20})
    await accounts.settle(held, {"tokens": 20})
    assert (await accounts.accounts(ANA))[0].taken == 20


async def test_estimate_that_was_too_low_is_counted_in_full(database: Database) -> None:
    accounts = spending(database, spec())
    held = await accounts.hold(ANA, {"tokens": 10})
    assert isinstance(held, Held)
    await accounts.settle(held, {"tokens": 500})
    assert isinstance(await accounts.hold(ANA, {"tokens": 1}), Beyond)


async def test_parallel_runs_cannot_overspend_together(database: Database) -> None:
    accounts = spending(database, spec(per="principal"))
    runs = [
        Spender(run=f"r{n}", thread=f"t{n}", principal="ana", tenant=None, workflow="desk")
        for n in range(30)
    ]
    results = await asyncio.gather(*(accounts.hold(run, {"tokens": 15}) for run in runs))
    assert sum(isinstance(result, Held) for result in results) == 6


async def test_accounts_of_others_and_of_the_next_day_are_untouched(database: Database) -> None:
    today = spending(database, spec(per="principal"))
    held = await today.hold(ANA, {"tokens": 100})
    assert isinstance(held, Held)
    await today.settle(held, {"tokens": 100})
    assert isinstance(await today.hold(ANA, {"tokens": 1}), Beyond)
    ben = Spender(run="r", thread="t", principal="ben", tenant=None, workflow="desk")
    assert isinstance(await today.hold(ben, {"tokens": 1}), Held)
    tomorrow = spending(database, spec(per="principal"), at=NOON + timedelta(days=1))
    assert isinstance(await tomorrow.hold(ANA, {"tokens": 1}), Held)


async def test_what_a_dead_process_held_back_counts_as_spent(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite3"
    first = Database.open(path, MIGRATIONS)
    await spending(first, spec(per="principal")).hold(ANA, {"tokens": 60})
    first.close()
    second = Database.open(path, MIGRATIONS)
    accounts = spending(second, spec(per="principal"))
    assert await accounts.settle_left() == 1
    assert (await accounts.accounts(ANA))[0].taken == 60
    assert await accounts.settle_left() == 0
    second.close()


async def test_person_can_grant_more_for_the_present_window(database: Database) -> None:
    accounts = spending(database, spec(per="principal"))
    held = await accounts.hold(ANA, {"tokens": 100})
    assert isinstance(held, Held)
    await accounts.settle(held, {"tokens": 100})
    await accounts.grant(ANA, "b", 50, by="li", why="a large case")
    assert isinstance(await accounts.hold(ANA, {"tokens": 50}), Held)
    with pytest.raises(KeyError):
        await accounts.grant(ANA, "other", 1, by="li", why="")


async def test_two_budgets_over_one_sum_both_hold(database: Database) -> None:
    soft = spec(id="soft", of="money", most=1, per="principal", at_limit="cheaper")
    hard = spec(id="hard", of="money", most=3, per="principal")
    accounts = spending(database, soft, hard)
    held = await accounts.hold(ANA, {"money": 1.0})
    assert isinstance(held, Held)
    await accounts.settle(held, {"money": 1.0})
    beyond = await accounts.hold(ANA, {"money": 0.5})
    assert isinstance(beyond, Beyond)
    assert (beyond.budget, beyond.at_limit) == ("soft", "cheaper")
    lefts = {account.spec.id: account.left for account in await accounts.accounts(ANA)}
    assert lefts == {"soft": 0.0, "hard": 2.0}


async def test_without_budgets_nothing_is_written(database: Database) -> None:
    accounts = spending(database)
    assert await accounts.hold(ANA, {"tokens": 10**9}) == Held("")
    assert not accounts.counts("tokens", "money")


@given(
    st.lists(st.integers(min_value=0, max_value=60), max_size=20),
    st.integers(min_value=1, max_value=100),
)
def test_sums_of_admitted_estimates_never_exceed_the_limit(wanted: list[int], most: int) -> None:
    limits = limits_of([spec(most=most)], ANA, NOON)
    taken = 0
    for amount in wanted:
        if verdict(limits, {limits[0].place: taken}, {}, {"tokens": amount}) is None:
            taken += amount
    assert taken <= most
