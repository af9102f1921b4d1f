"""Spending under the budgets: what is about to be spent is held back, what was spent is settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from concertmaster.errors import BudgetReached, ModelUnavailable
from concertmaster.policies.budgets import Amounts, Beyond, Spender
from concertmaster.policies.spending import Held

if TYPE_CHECKING:
    from concertmaster.agents.task import Services, Session
    from concertmaster.contracts.budget import Measure
    from concertmaster.contracts.events import EventType

__all__ = ["OutOfModels", "OutOfMoney", "Payer", "Purse", "spend"]


class OutOfMoney(ModelUnavailable):
    """This model would cost more than a budget leaves; a cheaper one may not."""


class OutOfModels(ModelUnavailable):
    """A budget has the run do without models."""


class Payer(Protocol):
    """On whose behalf something is spent: a step's task, or whatever stands for one."""

    @property
    def services(self) -> Services:
        """The rooms of the workspace."""

    @property
    def session(self) -> Session:
        """Who acts in which run."""

    def record(self, type_: EventType, *, why: str, **data: Any) -> None:
        """Put an event of this run into the trail."""


class Purse:
    """What was spent in fact; the estimate, until somebody says otherwise."""

    def __init__(self, estimate: Amounts) -> None:
        self.spent: dict[Measure, float] = dict(estimate)


@asynccontextmanager
async def spend(payer: Payer, estimate: Amounts) -> AsyncIterator[Purse]:
    """Hold an estimate back while something is spent, and settle what was spent afterwards.

    Where seconds are in the estimate, those that pass are measured.

    Raises:
        OutOfMoney, OutOfModels: a budget forbids it, and the step may do without.
        BudgetReached: a budget forbids it, and the run ends for it.
    """
    held = await _hold(payer, estimate)
    purse, started = Purse(estimate), time.monotonic()
    try:
        yield purse
    finally:
        if "seconds" in estimate:
            purse.spent["seconds"] = time.monotonic() - started
        if held.id and payer.services.spending is not None:
            # Also for a step that ran out of time.
            await asyncio.shield(payer.services.spending.settle(held, purse.spent))


async def _hold(payer: Payer, estimate: Amounts) -> Held:
    services, session = payer.services, payer.session
    spending = services.spending
    if spending is None or not spending.counts(*estimate):
        return Held("")
    spender = Spender(
        run=session.run,
        thread=session.thread,
        principal=session.principal.id,
        tenant=session.principal.tenant,
        workflow=services.name,
    )
    found = await spending.hold(spender, estimate)
    if isinstance(found, Held):
        return found
    payer.record(
        "budget.reached",
        why=found.why,
        budget=found.budget,
        at_limit=found.at_limit,
        left=found.left,
    )
    raise _refusal(found)


def _refusal(found: Beyond) -> Exception:
    match found.at_limit:
        case "cheaper":
            return OutOfMoney(found.why)
        case "without_model":
            return OutOfModels(found.why)
        case "ask":
            hint = f"{found.owner} may grant more"
            return BudgetReached(found.why, hint=hint, owner=found.owner)
        case "stop":
            return BudgetReached(found.why)
