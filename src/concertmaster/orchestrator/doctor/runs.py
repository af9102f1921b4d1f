"""Runs that nobody carries to their end, and runs of which table and trail differ. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from concertmaster.contracts import FINAL, RunRecord
from concertmaster.orchestrator.doctor.attendance import attended, holder, moved, stalled
from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.finding import Finding
from concertmaster.orchestrator.doctor.snapshot import Snapshot

__all__ = ["check_runs"]

_OPENING = "open the desk, which takes up what was left"
_GIVEN_UP = "given up after "
"""How the cause of a run begins that was not taken up again; releases before told no end of it."""


def check_runs(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    """Yield what is wrong with runs."""
    if not seen.read("runs"):
        return
    for id_, began in seen.missing.items():
        yield Finding(
            code="run.missing",
            severity="problem",
            kind="run",
            id=id_,
            what="The trail tells that it began, and it is not in the table; its row was taken"
            " away from outside.",
            since=began,
            mend="see what the trail tells of it, and restore a backup that has it",
            command=commands.told(id_),
        )
    threads: dict[str, list[RunRecord]] = defaultdict(list)
    for run in seen.runs:
        threads[run.thread].append(run)
    waited = _approvals(seen)
    for runs in threads.values():
        ahead = False
        for run in runs:
            yield from _two_statuses(seen, run, commands)
            if run.status in FINAL:
                yield from _ended(seen, run, commands)
                continue
            match run.status:
                case "running":
                    yield from _running(seen, run, commands)
                case "awaiting_review":
                    if seen.read("approvals"):
                        yield from _awaiting(seen, run, waited.get(run.id, ()), commands)
                case _ if not ahead:
                    yield from _queued(seen, run, commands)
            ahead = True


def _approvals(seen: Snapshot) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for approval in seen.approvals:
        found[approval.run].append(approval.status)
    for unread in seen.unread:
        if unread.part == "approvals" and unread.id:
            # Of a damaged one nobody knows whether it was decided.
            found[unread.id.partition(" ")[2]].append("pending")
    return found


def _running(seen: Snapshot, run: RunRecord, commands: Commands) -> Iterator[Finding]:
    if not attended(seen, run):
        ended = ", ".join(sorted(seen.endings.get(run.id, ())))
        beyond = f"; the trail says that it ended as {ended}" if ended else ""
        yield Finding(
            code="run.abandoned",
            severity="problem",
            kind="run",
            id=run.id,
            what=f"It is running, and nobody is at work on it: {holder(seen)}{beyond}.",
            since=moved(seen, run),
            mend=_known(seen, run),
            command=commands.recover(),
        )
    elif stalled(seen, run):
        yield Finding(
            code="run.stalled",
            severity="attention",
            kind="run",
            id=run.id,
            what=f"It is running, somebody works in the home, and it has shown nothing for more"
            f" than {seen.bounds.stalled:.0f} s.",
            since=moved(seen, run),
            mend="look at the process; if it hangs, end it and take the run up, or cancel it",
            command=commands.cancel(run.id, run.principal.id),
        )


def _awaiting(
    seen: Snapshot, run: RunRecord, approvals: Iterable[str], commands: Commands
) -> Iterator[Finding]:
    statuses = list(approvals)
    if "pending" in statuses or (attended(seen, run) and not stalled(seen, run)):
        return
    if statuses:
        yield Finding(
            code="run.decided",
            severity="problem",
            kind="run",
            id=run.id,
            what="It awaits review, everything that it waited for is decided, and nobody took it"
            f" up: {holder(seen)}.",
            since=moved(seen, run),
            mend=_known(seen, run),
            command=commands.recover(),
        )
        return
    yield Finding(
        code="run.waits_for_nothing",
        severity="problem",
        kind="run",
        id=run.id,
        what="It awaits review, and there is no approval for it; its row, or that of the approval,"
        " was changed from outside.",
        since=moved(seen, run),
        mend="cancel it, and have the message sent again",
        command=commands.cancel(run.id, run.principal.id),
    )


def _queued(seen: Snapshot, run: RunRecord, commands: Commands) -> Iterator[Finding]:
    if attended(seen, run) and not stalled(seen, run):
        return
    yield Finding(
        code="run.forgotten",
        severity="problem",
        kind="run",
        id=run.id,
        what=f"It is queued, nothing comes before it on thread {run.thread}, and nobody takes it"
        f" up: {holder(seen)}.",
        since=run.created,
        mend=_known(seen, run),
        command=commands.recover(),
    )


def _known(seen: Snapshot, run: RunRecord) -> str:
    """Say how a run is taken up: by its host, if only that knows its principal."""
    people = seen.declared.people if seen.declared else None
    if people is None or any(person.id == run.principal.id for person in people):
        return _OPENING
    return (
        "open the desk in the program that knows its principal: principals.yaml does not, and"
        " the command leaves such runs alone"
    )


def _ended(seen: Snapshot, run: RunRecord, commands: Commands) -> Iterator[Finding]:
    if not seen.read("trail"):
        return
    told = seen.endings.get(run.id, frozenset())
    if run.status in told or (not told and (run.id in seen.faded or _untold_before(run))):
        return
    what = (
        f"The table says that it ended as {run.status}, the trail that it ended as"
        f" {', '.join(sorted(told))}."
        if told
        else f"The table says that it ended as {run.status}, and the trail tells of no end."
    )
    yield Finding(
        code="run.ending",
        severity="problem",
        kind="run",
        id=run.id,
        what=what,
        since=run.updated,
        mend="somebody may have changed the row: see what the trail tells, and restore a backup"
        " if the row is wrong",
        command=commands.why(run.id),
    )


def _untold_before(run: RunRecord) -> bool:
    cause = (run.outcome.cause if run.outcome else None) or ""
    return cause.startswith(_GIVEN_UP)


def _two_statuses(seen: Snapshot, run: RunRecord, commands: Commands) -> Iterator[Finding]:
    column = seen.columns.get(run.id, run.status)
    if column != run.status:
        yield Finding(
            code="run.two_statuses",
            severity="problem",
            kind="run",
            id=run.id,
            what=f"Its row says {column} in one place and {run.status} in another; it was changed"
            " from outside.",
            since=run.updated,
            mend="see what the trail tells, and restore a backup",
            command=commands.why(run.id),
        )
