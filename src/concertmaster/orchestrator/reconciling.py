"""Asks tools again whether calls in doubt took effect, after their runs are over."""

from __future__ import annotations

import contextlib

from concertmaster.agents.task import Services
from concertmaster.contracts import FINAL
from concertmaster.errors import HomeFenced, StorageError, UnknownRun
from concertmaster.orchestrator.runs import Runs
from concertmaster.tools.context import ToolContext
from concertmaster.tools.effect_records import EffectRecord
from concertmaster.tools.reconciling import Took, look_up

__all__ = ["look_again"]

_MOST = 100


async def look_again(services: Services, runs: Runs) -> list[EffectRecord]:
    """Settle calls in doubt whose tool finds now that they took effect; return those.

    That a call is not found proves nothing here, since it may be on its way yet: a person goes on
    deciding that. The run stays as it ended. What the tool found is not kept: the policies that
    say what of it may be seen are asked only when a call is made.
    """
    ledger = services.carrier.ledger
    found = []
    for row in (await ledger.in_doubt())[:_MOST]:
        try:
            took = await _took(services, runs, row)
            if took:
                why = "looked up again after its run had ended"
                await ledger.finish(row.run, row.position, None, why=why)
                found.append(row)
        except HomeFenced:
            raise
        except StorageError:
            continue  # A row that cannot be read is doctor's to name; the others are looked at.
    if found:
        await services.trail.flush()
    return found


async def _took(services: Services, runs: Runs, row: EffectRecord) -> bool:
    with contextlib.suppress(UnknownRun):
        record = await runs.get(row.run)
        plan = {action.position: action for action in await services.plans.load(row.run)}
        action = plan.get(row.position)
        known = action is not None and action.tool == row.tool in services.toolbox.names
        if action is None or not known or record.status not in FINAL:
            return False
        tool = services.toolbox[row.tool]
        context = ToolContext(
            principal=record.principal,
            run=record.id,
            thread=record.thread,
            idempotency_key=row.key,
            data_dir=services.data_dir,
        )
        return isinstance(await look_up(tool, action.arguments, context), Took)
    return False
