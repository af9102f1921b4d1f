"""Runs and approvals by the ids that clients have, in whichever workflow of the server."""

from __future__ import annotations

from concertmaster.contracts import Approval, Principal, RunRecord
from concertmaster.errors import ApprovalUnknown, UnknownRun
from concertmaster.orchestrator.desk import Desk
from concertmaster.policies.approvals import unknown_approval
from concertmaster.serving.host import Host
from concertmaster.serving.threads import named, shown
from concertmaster.serving.visible import approval_for, owns, run_for, unknown_run

__all__ = ["approval_in", "own_run_in", "run_in", "thread_of"]


async def run_in(host: Host, who: Principal, run: str) -> tuple[Desk, RunRecord]:
    """Return a run that a principal may see, with its workflow.

    Raises:
        UnknownRun: there is none that it may see.
    """
    for desk in host:
        try:
            return desk, await run_for(desk, who, run)
        except UnknownRun:
            continue
    raise unknown_run(run)


async def own_run_in(host: Host, who: Principal, run: str) -> tuple[Desk, RunRecord]:
    """Return a principal's own run, with its workflow.

    Raises:
        UnknownRun: there is none of its own.
    """
    desk, record = await run_in(host, who, run)
    if not owns(who, record):
        raise unknown_run(run)
    return desk, record


async def approval_in(host: Host, who: Principal, approval: str) -> tuple[Desk, Approval]:
    """Return an approval that a principal may see, with its workflow.

    Raises:
        ApprovalUnknown: there is none that it may see.
    """
    if not approval.isprintable():
        raise unknown_approval(ascii(approval)[:60])  # Not even a database can be asked for it.
    for desk in host:
        try:
            return desk, await approval_for(desk, who, approval)
        except (ApprovalUnknown, UnknownRun):
            continue
    raise unknown_approval(approval[:60])


def thread_of(who: Principal, record: RunRecord) -> str:
    """Return the id by which the owner of a run goes on with its thread.

    Raises:
        UnknownRun: the thread was not begun through the server, which cannot name it.
    """
    external = shown(who, record.thread)
    if named(who, external) != record.thread:
        raise unknown_run(record.id)
    return external
