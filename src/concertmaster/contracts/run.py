"""The stored row of a run: what was asked, by whom, on which thread, how far it came."""

from __future__ import annotations

from concertmaster.contracts.base import Record
from concertmaster.contracts.outcome import Outcome, Status
from concertmaster.contracts.principal import Principal

__all__ = ["RunRecord"]


class RunRecord(Record):
    """One run. Written before the graph starts, so that a kill at any moment leaves a trace.

    `principal` is a snapshot for the trail; authority is resolved afresh at each segment.
    `attempts` counts how often the run was picked up again after its process went away.
    """

    id: str
    thread: str
    workspace: str
    principal: Principal
    text: str
    status: Status
    created: str
    updated: str
    outcome: Outcome | None = None
    attempts: int = 0
    model: str | None = None
