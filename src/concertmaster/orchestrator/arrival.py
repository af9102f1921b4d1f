"""What a process does first in a home that another one had before it."""

from __future__ import annotations

import logging
import sqlite3

from concertmaster.audit import Trail
from concertmaster.orchestrator.home import Home
from concertmaster.orchestrator.lease import Lease, lease_of, settle_restored
from concertmaster.orchestrator.runs import Runs
from concertmaster.tools.effect_records import distrust

__all__ = ["arrive"]

_LOG = logging.getLogger("concertmaster.orchestrator")
_OLDER = "the home was restored from an older copy"


async def arrive(home: Home, trail: Trail, runs: Runs) -> None:
    """Tell in the trail how the home was come by, and what is unknown in an older copy of one.

    What the unfinished runs of an older copy would do may have been done after it was made. So
    none of their effects is taken for new: each is looked up, made under the same key, or in doubt.
    """
    lease = home.lease
    if lease is None:
        return
    if lease.taken:
        before = await trail.database.read(lambda c: lease_of(c, lease.epoch - 1))
        _tell_taken(trail, lease, before)
    if lease.restored:
        unfinished = [run.id for run in await runs.unfinished()]
        why = f"{_OLDER}; what its {len(unfinished)} unfinished runs did after that is unknown"
        _LOG.warning("%s: %s", home.path, why)
        trail.emit(
            "home.restored", why=why, actor="orchestrator", epoch=lease.epoch, runs=unfinished
        )

        def settle(connection: sqlite3.Connection) -> None:
            distrust(connection, unfinished, _OLDER)
            settle_restored(connection)
            trail.store(connection)

        await trail.database.write(settle)
    await trail.flush()
    home.seen()


def _tell_taken(trail: Trail, lease: Lease, before: Lease | None) -> None:
    whom = f"{before.process}, which gave no sign of life" if before else "another process"
    why = f"{lease.process} took the home over from {whom}"
    _LOG.warning("%s", why)
    trail.emit("home.taken", why=why, actor="orchestrator", epoch=lease.epoch)
