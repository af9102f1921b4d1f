"""Which run the present task works on, for log lines; and its ids."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Current", "current"]


@dataclass(frozen=True)
class Current:
    """A run under way, and the ids of its trace and of the trace's root span."""

    run: str
    trace: str
    span: str


current: ContextVar[Current | None] = ContextVar("concertmaster_current_run", default=None)
"""Set for as long as a segment of a run is worked on, in the task that does so."""
