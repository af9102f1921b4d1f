"""Who has the home, and whether it is the home that it was. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.orchestrator.doctor.attendance import moment
from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.finding import Finding, Severity
from concertmaster.orchestrator.doctor.snapshot import Snapshot

__all__ = ["check_holding"]

_AHEAD = 60.0
_OPENING = (
    "open the desk: what the unfinished runs did after the copy counts as unknown, and nothing"
    " is done twice"
)


def check_holding(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    """Yield what is odd about the lease, the lock and the epoch."""
    holding = seen.holding
    if not holding.lock:
        yield _file("lock", "HOME/lock is not there; two processes could work here at once.",
                    commands)  # fmt: skip
    if not seen.read("leases") or not seen.read("database"):
        return
    if holding.older:
        number = holding.epoch.number if holding.epoch else 0
        epoch = holding.lease.epoch if holding.lease else 0
        what = f"The database is an older one: it knows epoch {epoch}, and HOME/epoch says {number}"
        told = f"{what} or a later sign of life. It was put back from a backup."
        yield _home("home.older", "problem", seen, told, commands)
    elif holding.copied:
        what = (
            "The database is another file than the one that was worked in: a copy, which may be"
            " older than it looks."
        )
        yield _home("home.copied", "attention", seen, what, commands)
    elif holding.lease is not None and holding.lease.restored:
        what = "It was put back from an older copy, and nobody looked after its runs yet."
        yield _home("home.restored", "attention", seen, what, commands)
    if holding.lease is not None and holding.epoch is None:
        there = "cannot be read" if holding.epoch_file else "is not there"
        told = f"HOME/epoch {there}; that the database is an older copy would not show."
        yield _file("epoch", told, commands)
    yield from _clock(seen)


def _clock(seen: Snapshot) -> Iterator[Finding]:
    lease = seen.holding.lease
    renewed = moment(lease.renewed) if lease else None
    if lease is None or renewed is None or (renewed - seen.at).total_seconds() <= _AHEAD:
        return
    yield Finding(
        code="home.clock",
        severity="attention",
        kind="home",
        id=str(seen.home),
        what="Its last sign of life lies in the future: a clock was set back, or was wrong."
        " Deadlines come late, and what is stuck may not show here.",
        since=lease.renewed,
        mend="set the clock of the machine right",
    )


def _home(code: str, severity: Severity, seen: Snapshot, what: str, commands: Commands) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        kind="home",
        id=str(seen.home),
        what=what,
        since=seen.holding.lease.renewed if seen.holding.lease else None,
        mend=_OPENING,
        command=commands.recover(),
    )


def _file(name: str, what: str, commands: Commands) -> Finding:
    return Finding(
        code=f"file.{name}",
        severity="attention",
        kind="file",
        id=name,
        what=what,
        mend="open the desk once, which writes it",
        command=commands.recover(),
    )
