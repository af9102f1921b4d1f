"""Approvals as people are shown them: whose they are to see, narrowed and page by page."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from typing import Literal

from concertmaster.contracts import Approval, Principal
from concertmaster.errors import HomeBusy
from concertmaster.orchestrator.desk import Desk
from concertmaster.policies import approval_rows

__all__ = ["LAST", "Place", "Wanted", "wanted_by"]

Place = tuple[str, str]
"""Where an approval stands in the list: when it was asked for, and its id."""

LAST = "\U0010ffff"
"""Stands behind every id."""

# A run belongs to the principal and the tenant of its thread. One that was erased is not there.
_SQL = """
SELECT a.id, a.schema_version, a.record
FROM approvals a JOIN runs r ON r.id = a.run JOIN threads t ON t.id = r.thread
WHERE {} ORDER BY a.created, a.id LIMIT :limit
"""
_DECIDES = """EXISTS (
    SELECT 1 FROM approval_readers s
    WHERE s.approval = a.id AND s.reader IN (SELECT value FROM json_each(:readers))
)"""
_OWN = "t.principal = :who AND a.requester = :who"
_ANY = "SELECT 1 FROM approval_readers WHERE reader IN (SELECT value FROM json_each(?)) LIMIT 1"
_NARROWED = {
    "status": "a.status = :status",
    "tool": "a.tool = :tool",
    "requester": "a.requester = :requester",
    "role": "a.id IN (SELECT approval FROM approval_readers WHERE reader = 'role:' || :role)"
    " AND EXISTS (SELECT 1 FROM json_each(a.record, '$.needs') need"
    " WHERE json_extract(a.record, need.fullkey || '.role') = :role)",
    "claimed": f"(json_array_length(a.record, '$.claims') > 0 AND {_DECIDES}) = :claimed",
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which approvals are asked for; what is None narrows nothing.

    `view` is `queue` for those that one decides or has decided, `own` for those that one's own
    runs wait or waited for. `role` is one that is needed. `claimed` tells whether somebody has
    taken it on, as far as the reader may know: who does not decide it is told of no claims.
    """

    view: Literal["queue", "own"] = "queue"
    status: str | None = "pending"
    role: str | None = None
    tool: str | None = None
    requester: str | None = None
    claimed: bool | None = None


async def wanted_by(
    who: Principal,
    desk: Desk,
    wanted: Wanted,
    *,
    after: Place | None = None,
    limit: int | None = None,
) -> list[Approval]:
    """Return approvals that a principal may see, the oldest first.

    Somebody's queue holds the approvals of their own tenant's runs that need one of their roles,
    needed one before they were escalated, or that they have answered. Deadlines that are over take
    effect first, unless another process holds the home.

    Args:
        who: for whom.
        desk: the workflow.
        wanted: what it is narrowed to.
        after: only those behind this place.
        limit: at most so many; all by default.

    Raises:
        StorageError: a row is damaged.
    """
    if await desk.services.approvals.late():
        with contextlib.suppress(HomeBusy):
            await desk.sweep()
    workspace = desk.services.trail.workspace
    readers = json.dumps([*(f"role:{role}" for role in who.roles), f"person:{who.id}"])
    sql, values = _question(who, wanted, after)
    values |= {"workspace": workspace, "readers": readers, "limit": -1 if limit is None else limit}

    def work(connection: sqlite3.Connection) -> list[Approval]:
        if wanted.view == "queue" and connection.execute(_ANY, (readers,)).fetchone() is None:
            return []  # Most people decide nothing; for them nothing is gone through.
        return [approval_rows.read(row) for row in connection.execute(sql, values)]

    return await desk.database.look(work)


def _question(
    who: Principal, wanted: Wanted, after: Place | None
) -> tuple[str, dict[str, str | int | None]]:
    """Return the query and its values, but for `workspace`, `readers` and `limit`."""
    asked = {name: getattr(wanted, name) for name in _NARROWED}
    given = {name: value for name, value in asked.items() if value is not None}
    clauses = ["a.workspace = :workspace", "t.tenant IS :tenant"]
    clauses += [_DECIDES] if wanted.view == "queue" else [_OWN]
    clauses += [_NARROWED[name] for name in given]
    clauses += ["(a.created, a.id) > (:created, :id)"] if after else []
    created, id_ = after or ("", "")
    place = {"created": created, "id": id_}
    return _SQL.format(" AND ".join(clauses)), {
        **given,
        **place,
        "who": who.id,
        "tenant": who.tenant,
    }
