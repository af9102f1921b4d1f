"""The trail: what does not verify, and what no signed head vouches for. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.audit.checking import Checked
from concertmaster.orchestrator.doctor.attendance import later_than
from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.finding import Finding
from concertmaster.orchestrator.doctor.snapshot import Snapshot

__all__ = ["check_streams"]

_MOST = 3
_WRONG = "keep the home as it is, and compare it with a backup and with heads kept elsewhere"


def check_streams(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    """Yield what is wrong with the streams of the trail."""
    for checked in seen.checked:
        if not checked.whole:
            yield _not_whole(checked, commands)
        yield from _unsigned(seen, checked, commands)


def _not_whole(checked: Checked, commands: Commands) -> Finding:
    told = [
        f"{found.fault} at {found.n}{f' ({found.event})' if found.event else ''}: {found.message}"
        for found in checked.findings
    ]
    told += checked.problems
    more = f"; and {len(told) - _MOST} more" if len(told) > _MOST else ""
    since = min((f.time for f in checked.findings if f.time), default=None)
    return Finding(
        code="stream.not_whole",
        severity="problem",
        kind="stream",
        id=checked.stream,
        what=f"The trail does not verify: {'; '.join(told[:_MOST])}{more}.",
        since=since,
        mend=_WRONG,
        command=commands.verify(),
    )


def _unsigned(seen: Snapshot, checked: Checked, commands: Commands) -> Iterator[Finding]:
    since = seen.unsigned.get(checked.stream)
    behind = checked.events - checked.signed
    if since is None or behind <= 0 or not later_than(seen, since, seen.bounds.unsigned):
        return
    never = checked.signed_at is None
    what = (
        f"No signed head vouches for any of its {checked.events} events"
        if never
        else f"The last signed head is of event {checked.signed}, and {behind} came after it"
    )
    yield Finding(
        code="stream.unsigned",
        severity="attention",
        kind="stream",
        id=checked.stream,
        what=f"{what}; that they were cut off would not show.",
        since=since,
        mend="open the desk, which signs when it closes; it logs why if it cannot",
        command=commands.recover(),
    )
