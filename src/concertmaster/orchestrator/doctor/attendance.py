"""Whether somebody attends to a run, as far as that can be told from outside. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from concertmaster.contracts import RunRecord
from concertmaster.orchestrator.doctor.snapshot import Snapshot

__all__ = ["attended", "holder", "later_than", "moment", "moved", "stalled"]

_NEVER = datetime.min.replace(tzinfo=UTC)
_SILENCE = 15.0
"""Seconds after which nobody is there, where a home has no lease yet."""


def moment(stored: str | None) -> datetime | None:
    """Return a stored moment; None if there is none, or it is none."""
    try:
        found = datetime.fromisoformat(stored or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def later_than(seen: Snapshot, stored: str | None, seconds: float) -> bool:
    """Tell whether more than some seconds have passed since a stored moment."""
    since = moment(stored)
    return since is None or seen.at - since > timedelta(seconds=seconds)


def moved(seen: Snapshot, run: RunRecord) -> str:
    """Return when a run last showed something."""
    told = [stored for stored in (run.updated, seen.moved.get(run.id)) if stored]
    return max(told, key=lambda stored: moment(stored) or _NEVER)


def attended(seen: Snapshot, run: RunRecord) -> bool:
    """Tell whether somebody may be at work on a run.

    A process works under the lease, which it renews three times within its span. One that came
    back to an old lease has yet to renew it, but its run has just moved.
    """
    holding = seen.holding
    if holding.gone:
        return False
    seconds = holding.lease.seconds if holding.lease else _SILENCE
    signs = [moved(seen, run), *([holding.lease.renewed] if holding.lease else [])]
    return any(moment(sign) and not later_than(seen, sign, seconds) for sign in signs)


def stalled(seen: Snapshot, run: RunRecord) -> bool:
    """Tell whether a run has shown nothing for so long that somebody should look."""
    return later_than(seen, moved(seen, run), seen.bounds.stalled)


def holder(seen: Snapshot) -> str:
    """Say what became of who worked in the home last."""
    lease = seen.holding.lease
    if lease is None:
        return "nobody works in the home"
    if seen.holding.gone:
        return f"{lease.process}, which worked here last, has ended"
    return f"{lease.process}, which worked here last, gave no sign of life since {lease.renewed}"
