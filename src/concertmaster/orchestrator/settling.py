"""A person says what became of a call in doubt, once its run is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from concertmaster.contracts import FINAL, Principal, RunRecord
from concertmaster.errors import ApprovalForbidden, RequestError, UnknownRun
from concertmaster.tools.effect_records import EffectRecord

if TYPE_CHECKING:
    from concertmaster.orchestrator.desk import Desk

__all__ = ["settle"]


async def settle(
    desk: Desk, run: str, position: int, *, took_effect: bool, principal: Principal | str
) -> EffectRecord:
    """Note whether a call in doubt took effect; return its row of the ledger as it then stands.

    The trail tells who found it out. The run stays as it ended.

    Args:
        desk: of the home.
        run: of the call.
        position: of the call in its run's plan.
        took_effect: what was found out.
        principal: who says so: somebody with the role of the workflow's owner, or of the owner to
            whom the run went; never the one on whose behalf the call was made.

    Raises:
        UnknownRun: there is no such call.
        RequestError: it is not in doubt, or its run goes on.
        ApprovalForbidden: this person may not say so.
        UnknownPrincipal, HomeBusy, StorageError.
    """
    who = desk.people.admit(principal)
    ledger = desk.services.carrier.ledger
    async with desk.home.busy():
        record = await _record(desk, run)
        rows = await ledger.effects(run)
        row = next((effect for effect in rows if effect.position == position), None)
        if row is None:
            raise UnknownRun(
                f"run {run} has no call at position {position}",
                hint="`concertmaster doctor` names the calls in doubt",
            )
        _permit(desk, who, row, record)
        _open(row, record)
        if row.status == "intended":
            await ledger.doubt(run, position, "its run ended before it was known")
        await ledger.resolve(run, position, took_effect, who.id)
        rows = await ledger.effects(run)
    return next(effect for effect in rows if effect.position == position)


async def _record(desk: Desk, run: str) -> RunRecord | None:
    try:
        return await desk.runs.get(run)
    except UnknownRun:
        return None  # Its thread was forgotten; of the call, what nobody knows stays.


def _permit(desk: Desk, who: Principal, row: EffectRecord, record: RunRecord | None) -> None:
    spec = desk.services.spec.workflow
    names = {spec.owner, record.outcome.owner if record and record.outcome else None}
    roles = {spec.owners[name].role for name in names if name in spec.owners}
    requester = record.principal.id if record else row.on_behalf_of
    if roles & set(who.roles) and who.id != requester:
        return
    asked = " or ".join(sorted(roles)) or "an owner, of whom the workflow names none"
    raise ApprovalForbidden(
        f"{who.id} may not say what became of a call of run {row.run}",
        hint=f"somebody with the role {asked} may, who did not ask for the call",
    )


def _open(row: EffectRecord, record: RunRecord | None) -> None:
    if record is not None and record.status not in FINAL:
        raise RequestError(
            f"run {row.run} has not ended",
            hint="take it up first: concertmaster runs recover WORKSPACE",
        )
    if row.status not in ("intended", "in_doubt"):
        raise RequestError(f"the call of {row.tool} is not in doubt: it is {row.status}")
