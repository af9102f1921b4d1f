"""Approvals that are overdue, or that nobody can or will decide. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.contracts import FINAL, Approval, Approve, RunRecord
from concertmaster.contracts.deadline import utc
from concertmaster.orchestrator.doctor.commands import Commands
from concertmaster.orchestrator.doctor.finding import Finding
from concertmaster.orchestrator.doctor.snapshot import Snapshot
from concertmaster.policies.ballot import intact
from concertmaster.policies.deadlines import overdue
from concertmaster.policies.slots import live

__all__ = ["check_approvals"]


def check_approvals(seen: Snapshot, commands: Commands) -> Iterator[Finding]:
    """Yield what is wrong with approvals that are pending."""
    if not seen.read("approvals"):
        return
    runs = {run.id: run for run in seen.runs}
    for approval in seen.approvals:
        if approval.status != "pending":
            continue
        if seen.read("runs"):
            found = _of_its_run(seen, approval, runs.get(approval.run), commands)
            if found is not None:
                yield found
                continue
        if not intact(approval):
            yield _changed(approval, runs.get(approval.run), commands)
        elif overdue(approval, utc(seen.at)):
            yield _overdue(approval, commands)
        else:
            yield from _nobody(seen, approval, runs.get(approval.run), commands)
            yield from _claims(seen, approval, commands)


def _of_its_run(
    seen: Snapshot, approval: Approval, run: RunRecord | None, commands: Commands
) -> Finding | None:
    if run is None:
        if approval.run in seen.columns:
            return None  # Its row is there, and cannot be read; that is told elsewhere.
        return Finding(
            code="approval.no_run",
            severity="problem",
            kind="approval",
            id=approval.id,
            what=f"It is pending, and its run {approval.run} is not there any more; a row was"
            " taken away from outside.",
            since=approval.created,
            mend="it lets no call run, whatever is answered; restore a backup that has the run",
            command=commands.restore(),
        )
    if run.status in FINAL:
        return Finding(
            code="approval.run_ended",
            severity="problem",
            kind="approval",
            id=approval.id,
            what=f"It is pending, and its run {run.id} has ended as {run.status}; whatever is"
            " answered, no call follows.",
            since=run.updated,
            mend="close it, so that nobody works on it",
            command=commands.reject(approval.id),
        )
    return None


def _changed(approval: Approval, run: RunRecord | None, commands: Commands) -> Finding:
    owner = run.principal.id if run else "WHO"
    return Finding(
        code="approval.changed",
        severity="problem",
        kind="approval",
        id=approval.id,
        what="It is no longer what was asked for: its digest does not match, so its row was"
        " changed from outside, and every answer is refused.",
        since=approval.created,
        mend="cancel its run, and have the message sent again",
        command=commands.cancel(approval.run, owner),
    )


def _overdue(approval: Approval, commands: Commands) -> Finding:
    role = approval.deadline.role if approval.deadline else None
    then = f"goes to {role}" if role else "is rejected"
    return Finding(
        code="approval.overdue",
        severity="problem",
        kind="approval",
        id=approval.id,
        what=f"Nobody decided {approval.action.tool} in time, and the consequence has not taken"
        f" effect yet: it {then}.",
        since=approval.due,
        mend="have deadlines take effect; a timer may do so",
        command=commands.sweep(),
    )


def _nobody(
    seen: Snapshot, approval: Approval, run: RunRecord | None, commands: Commands
) -> Iterator[Finding]:
    """Tell of roles that too few known people have, where the workspace declares its people."""
    if seen.declared is None or not seen.declared.people:
        return
    for need in approval.needs:
        given = {v.by for v in approval.votes if v.role == need.role and _approves(v.answer)}
        able = {
            person.id
            for person in seen.declared.people
            if need.role in person.roles and person.id != approval.requester
        }
        missing = need.count - len(given) - len(able - given)
        if missing <= 0:
            continue
        who = "nobody" if not able else f"only {len(able)} of {need.count} people"
        yield Finding(
            code="approval.no_reviewer",
            severity="attention" if approval.due else "problem",
            kind="approval",
            id=approval.id,
            what=f"It waits for the role {need.role}, and {who} in principals.yaml could give it:"
            " the requester may not.",
            since=approval.created,
            mend="give somebody the role (a host may know more people), or cancel the run",
            command=commands.cancel(approval.run, run.principal.id if run else "WHO"),
        )


def _approves(answer: object) -> bool:
    return isinstance(answer, Approve)


def _claims(seen: Snapshot, approval: Approval, commands: Commands) -> Iterator[Finding]:
    holding = live(approval, utc(seen.at))
    for claim in approval.claims:
        if claim not in holding:
            yield Finding(
                code="approval.claim_over",
                severity="attention",
                kind="approval",
                id=approval.id,
                what=f"{claim.by} took it on as {claim.role} and did not decide; the claim is over"
                " and keeps nobody from deciding.",
                since=claim.until,
                mend="somebody with the role decides, or claims it",
                command=commands.show(approval.id),
            )
