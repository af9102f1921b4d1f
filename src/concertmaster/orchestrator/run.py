"""What a caller holds of a run: how it ended or what it waits for, and why."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.contracts import (
    Approval,
    AuditEvent,
    Evidence,
    Outcome,
    Status,
    Turn,
)

__all__ = ["Run"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run as it stands. In a notebook it shows its timeline, evidence and approvals.

    `pending` are the approvals that it waits for; `events` is its trail so far.
    """

    id: str
    thread: str
    principal: str
    text: str
    status: Status
    outcome: Outcome
    pending: tuple[Approval, ...] = ()
    events: tuple[AuditEvent, ...] = ()
    turn: Turn | None = None

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The passages that the answer could rest on."""
        return self.turn.retrieved.evidence if self.turn and self.turn.retrieved else ()

    def __repr__(self) -> str:
        waiting = f", pending={len(self.pending)}" if self.pending else ""
        return f"<Run {self.id} {self.status}{waiting} thread={self.thread!r}>"

    @staticmethod
    def _list_html_(runs: list[Run]) -> str:
        from concertmaster.orchestrator.html import runs_html

        return runs_html(runs)

    def _repr_html_(self) -> str:
        from concertmaster.orchestrator.html import run_html

        return run_html(self)
