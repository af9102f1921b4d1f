"""What budgets leave for somebody, and a person who grants more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from concertmaster.contracts import Principal
from concertmaster.contracts.budget import BudgetSpec
from concertmaster.errors import ApprovalForbidden, ConfigError, RequestError
from concertmaster.policies.budgets import Spender
from concertmaster.policies.spending import Account, Spending

if TYPE_CHECKING:
    from concertmaster.orchestrator.desk import Desk

__all__ = ["accounts", "grant"]


async def accounts(
    desk: Desk, principal: Principal | str, *, thread: str = "", run: str = ""
) -> tuple[Account, ...]:
    """Return what each budget leaves for a principal now, and for a thread or run of theirs.

    Raises:
        UnknownPrincipal, StorageError.
    """
    who = desk.people.admit(principal)
    found = await _spending(desk).accounts(_spender(desk, who, thread, run))
    named = {"thread": thread, "run": run}
    return tuple(a for a in found if named.get(a.spec.per, "given"))


async def grant(
    desk: Desk,
    budget: str,
    amount: float,
    *,
    to: Principal | str,
    principal: Principal | str,
    reason: str,
    thread: str = "",
    run: str = "",
) -> Account:
    """Let somebody go beyond a budget in its present window; return the account as it then stands.

    Args:
        desk: of the home.
        budget: its id.
        amount: how much more, in what the budget counts.
        to: whose account, or whose thread or run.
        principal: who grants it: somebody with the role of the budget's owner, else of the
            workflow's owner; never the one who gets it.
        reason: why; it goes into the trail.
        thread: the thread, for a budget per thread.
        run: the run, for a budget per run.

    Raises:
        ConfigError: there is no such budget, or it has no account for this spender.
        RequestError: the amount is no positive number, or no reason is given.
        ApprovalForbidden: this person may not grant it.
        UnknownPrincipal, HomeBusy, StorageError.
    """
    who, whom = desk.people.admit(principal), desk.people.admit(to)
    spec = _budget(desk, budget)
    _sound(spec, amount, reason, thread, run)
    _permit(desk, spec, who, whom)
    spending, spender = _spending(desk), _spender(desk, whom, thread, run)
    told = desk.services.redaction.stored.redact(reason).text
    async with desk.home.busy():
        try:
            await spending.grant(spender, budget, amount, who.id, told)
        except KeyError:
            raise ConfigError(
                f"the budget {budget} has no account for {whom.id}",
                hint=f"it counts per {spec.per}, and {whom.id} has none",
            ) from None
        desk.services.trail.emit(
            "budget.granted",
            why=f"{who.id} granted {amount:g} more of {spec.of} under {budget}: {told}",
            actor=who.id,
            on_behalf_of=whom.id,
            thread=thread or None,
            run=run or None,
            budget=budget,
            amount=amount,
        )
        await desk.services.trail.flush()
    found = await spending.accounts(spender)
    return next(account for account in found if account.spec.id == budget)


def _spending(desk: Desk) -> Spending:
    spending = desk.services.spending
    assert spending is not None  # A desk has accounts, a bare graph may not.
    return spending


def _spender(desk: Desk, who: Principal, thread: str, run: str) -> Spender:
    return Spender(
        run=run, thread=thread, principal=who.id, tenant=who.tenant, workflow=desk.services.name
    )


def _budget(desk: Desk, name: str) -> BudgetSpec:
    budgets = desk.services.spec.workflow.budgets
    for spec in budgets:
        if spec.id == name:
            return spec
    known = ", ".join(spec.id for spec in budgets) or "none"
    raise ConfigError(f"there is no budget {name[:60]!r}", hint=f"declared are: {known}")


def _sound(spec: BudgetSpec, amount: float, reason: str, thread: str, run: str) -> None:
    if not math.isfinite(amount) or amount <= 0:
        raise RequestError("what is granted has to be a number above 0")
    if not reason.strip():
        raise RequestError("more is granted with a reason", hint="it goes into the trail")
    lacks = (spec.per == "thread" and not thread) or (spec.per == "run" and not run)
    if lacks:
        raise RequestError(
            f"the budget {spec.id} counts per {spec.per}", hint=f"name the {spec.per}"
        )


def _permit(desk: Desk, spec: BudgetSpec, who: Principal, whom: Principal) -> None:
    workflow = desk.services.spec.workflow
    owner = workflow.owners.get(spec.owner or workflow.owner or "")
    if owner is not None and owner.role in who.roles and who.id != whom.id:
        return
    asked = owner.role if owner else "an owner, of whom the workflow names none"
    raise ApprovalForbidden(
        f"{who.id} may not grant more of the budget {spec.id} to {whom.id}",
        hint=f"somebody else with the role {asked} may",
    )
