"""Compares a row of the effect ledger with the last thing that the trail tells of the same call.

Row and event are written in one transaction, so they tell the same story unless one of them was
changed from outside. The trail cannot be changed without that showing; so where they differ,
nobody knows what happened, and nothing is done again.
"""

from __future__ import annotations

import sqlite3

from concertmaster.audit.envelope import type_column
from concertmaster.contracts.events import EventType
from concertmaster.tools.effect_records import EffectRecord, EffectStatus, idempotency_key

__all__ = ["STATUS_TOLD", "contradiction"]

_TOLD: dict[EventType, EffectStatus] = {
    "effect.intended": "intended",
    "effect.done": "done",
    "effect.reused": "done",
    "effect.failed": "failed",
    "effect.in_doubt": "in_doubt",
}
STATUS_TOLD = {type_column(type_): status for type_, status in _TOLD.items()}
"""By type as it is stored, the status that a row has when this was the last thing told of it."""
_LAST = (
    "SELECT type, json_extract(envelope, '$.data.detail.call') AS call FROM audit_events"
    f" WHERE run = ? AND type IN ({', '.join('?' * len(STATUS_TOLD))})"
    " AND json_extract(envelope, '$.data.detail.position') = ? ORDER BY seq DESC LIMIT 1"
)


def contradiction(
    connection: sqlite3.Connection, run: str, position: int, row: EffectRecord | None
) -> str | None:
    """Return in words what the ledger and the trail say differently of a call; None if nothing.

    An event whose content was erased tells nothing.
    """
    if row is not None and row.key != idempotency_key(run, position):
        return "the key in the ledger is not that of this call"
    last = connection.execute(_LAST, (run, *STATUS_TOLD, position)).fetchone()
    if last is None:
        return None
    told = STATUS_TOLD[last["type"]]
    if row is None:
        return f"the trail tells of a call that is {told}, and the ledger has none"
    if row.status != told:
        return f"the ledger says {row.status}, and the trail says {told}"
    if row.digest != last["call"]:
        return "the ledger holds another call than the trail tells of"
    return None
