"""What was spent and what is held back, kept in the home so that no restart forgets it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from concertmaster.contracts import new_id, now
from concertmaster.contracts.budget import BudgetSpec, Measure
from concertmaster.policies.budgets import (
    Amounts,
    Beyond,
    Limit,
    Spender,
    limits_of,
    remaining,
    verdict,
)
from concertmaster.storage import Database, Migration

__all__ = ["MIGRATIONS", "Account", "Held", "Spending"]

# By the columns `thread` and `run`, accounts of a thread that is forgotten go with it.
MIGRATIONS = (
    Migration(
        room="spending",
        version=1,
        sql="""
CREATE TABLE spent (
    account TEXT NOT NULL,
    window TEXT NOT NULL,
    measure TEXT NOT NULL,
    amount REAL NOT NULL,
    thread TEXT GENERATED ALWAYS AS
        (CASE WHEN account LIKE 'thread:%' THEN substr(account, 8) END) STORED,
    run TEXT GENERATED ALWAYS AS
        (CASE WHEN account LIKE 'run:%' THEN substr(account, 5) END) STORED,
    PRIMARY KEY (account, window, measure)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_by_thread ON spent (thread) WHERE thread IS NOT NULL;
CREATE INDEX spent_by_run ON spent (run) WHERE run IS NOT NULL;
CREATE TABLE held (
    id TEXT PRIMARY KEY,
    since TEXT NOT NULL,
    run TEXT NOT NULL,
    thread TEXT NOT NULL,
    places TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE granted (
    budget TEXT NOT NULL,
    account TEXT NOT NULL,
    window TEXT NOT NULL,
    amount REAL NOT NULL,
    by_whom TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TEXT NOT NULL,
    thread TEXT GENERATED ALWAYS AS
        (CASE WHEN account LIKE 'thread:%' THEN substr(account, 8) END) STORED,
    run TEXT GENERATED ALWAYS AS
        (CASE WHEN account LIKE 'run:%' THEN substr(account, 5) END) STORED
) STRICT
""",
    ),
)

_Place = tuple[str, str, Measure]


@dataclass(frozen=True)
class Held:
    """An estimate that is held back until it is settled; `id` is empty where nothing counts."""

    id: str
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Account:
    """What one budget has left for one spender now."""

    spec: BudgetSpec
    account: str
    window: str
    taken: float
    left: float


class Spending:
    """The accounts of a home under the budgets of a workspace."""

    def __init__(
        self,
        database: Database,
        budgets: Sequence[BudgetSpec],
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._budgets = tuple(budgets)
        self._measures = frozenset(budget.of for budget in budgets)
        self._clock = clock

    def counts(self, *measures: Measure) -> bool:
        """Tell whether any budget counts one of these."""
        return not self._measures.isdisjoint(measures)

    async def hold(self, spender: Spender, wanted: Amounts) -> Held | Beyond:
        """Hold an estimate back under every budget that counts it, or say which one forbids it."""
        limits = self._limits(spender, wanted)
        if not limits:
            return Held("")

        def work(connection: sqlite3.Connection) -> Held | Beyond:
            taken = _taken(connection, limits)
            beyond = verdict(limits, taken, _granted(connection, limits), wanted)
            if beyond is not None:
                return beyond
            held = Held(new_id("held"), limits)
            places = {limit.place: wanted.get(limit.spec.of, 0.0) for limit in limits}
            stored = [[*place, amount] for place, amount in places.items()]
            connection.execute(
                "INSERT INTO held (id, since, run, thread, places) VALUES (?, ?, ?, ?, ?)",
                (
                    held.id,
                    self._clock().isoformat(),
                    spender.run,
                    spender.thread,
                    json.dumps(stored),
                ),
            )
            return held

        return await self._database.write(work)

    async def settle(self, held: Held, spent: Amounts) -> None:
        """Put what was spent in fact in the place of what was held back. A second time is nothing.

        What no estimate was held for is not counted.
        """
        if not held.id:
            return
        amounts = {limit.place: spent.get(limit.spec.of, 0.0) for limit in held.limits}

        def work(connection: sqlite3.Connection) -> None:
            gone = connection.execute("DELETE FROM held WHERE id = ?", (held.id,)).rowcount
            if gone:
                _add(connection, amounts.items())

        await self._database.write(work)

    async def settle_left(self) -> int:
        """Count as spent what a process that is gone had held back; return how many there were.

        To be called before anything is held, by the one process that works in the home.
        """

        def work(connection: sqlite3.Connection) -> int:
            rows = connection.execute("SELECT places FROM held").fetchall()
            for row in rows:
                _add(connection, (((a, w, m), n) for a, w, m, n in json.loads(row["places"])))
            connection.execute("DELETE FROM held")
            return len(rows)

        if not self._budgets:
            return 0
        return await self._database.write(work)

    async def accounts(self, spender: Spender) -> tuple[Account, ...]:
        """Return what each budget has left for a spender."""
        limits = limits_of(self._budgets, spender, self._clock())
        if not limits:
            return ()

        def work(connection: sqlite3.Connection) -> tuple[Account, ...]:
            taken, granted = _taken(connection, limits), _granted(connection, limits)
            return tuple(
                Account(
                    spec=limit.spec,
                    account=limit.account,
                    window=limit.window,
                    taken=taken.get(limit.place, 0.0),
                    left=max(remaining(limit, taken, granted), 0.0),
                )
                for limit in limits
            )

        return await self._database.read(work)

    async def grant(self, spender: Spender, budget: str, amount: float, by: str, why: str) -> None:
        """Let a spender go beyond a budget by an amount, in the present window only.

        Whether `by` may do so is for the caller to check.

        Raises:
            KeyError: no such budget counts for this spender.
        """
        limits = limits_of(self._budgets, spender, self._clock())
        limit = next((one for one in limits if one.spec.id == budget), None)
        if limit is None:
            raise KeyError(budget)
        row = (budget, limit.account, limit.window, amount, by, why, self._clock().isoformat())
        await self._database.write(
            lambda connection: connection.execute(
                "INSERT INTO granted (budget, account, window, amount, by_whom, reason, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        )

    def _limits(self, spender: Spender, wanted: Amounts) -> tuple[Limit, ...]:
        if self._measures.isdisjoint(wanted):
            return ()
        counted = [budget for budget in self._budgets if budget.of in wanted]
        return limits_of(counted, spender, self._clock())


def _add(connection: sqlite3.Connection, amounts: Iterable[tuple[_Place, float]]) -> None:
    connection.executemany(
        "INSERT INTO spent (account, window, measure, amount) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, window, measure) DO UPDATE SET amount = amount + excluded.amount",
        [(*place, amount) for place, amount in amounts],
    )


def _taken(connection: sqlite3.Connection, limits: Iterable[Limit]) -> dict[_Place, float]:
    taken: dict[_Place, float] = {}
    for place in {limit.place for limit in limits}:
        row = connection.execute(
            "SELECT amount FROM spent WHERE account = ? AND window = ? AND measure = ?", place
        ).fetchone()
        taken[place] = float(row["amount"]) if row else 0.0
    for row in connection.execute("SELECT places FROM held"):
        for account, window, measure, amount in json.loads(row["places"]):
            if (account, window, measure) in taken:
                taken[account, window, measure] += amount
    return taken


def _granted(
    connection: sqlite3.Connection, limits: Iterable[Limit]
) -> dict[tuple[str, str, str], float]:
    granted = {}
    for limit in limits:
        key = (limit.spec.id, limit.account, limit.window)
        row = connection.execute(
            "SELECT sum(amount) AS more FROM granted"
            " WHERE budget = ? AND account = ? AND window = ?",
            key,
        ).fetchone()
        granted[key] = float(row["more"] or 0.0)
    return granted
