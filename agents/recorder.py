"""Who puts events of a run into the trail, in whose name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concertmaster.agents.task import Services, Session
    from concertmaster.contracts.events import EventType

__all__ = ["Recorder"]


@dataclass(frozen=True)
class Recorder:
    """An actor of one run, a step or a node, on behalf of the session's principal."""

    services: Services
    session: Session
    actor: str
    run: str | None

    def record(self, type_: EventType, *, why: str, **data: Any) -> None:
        """Put an event of this run into the trail."""
        self.services.trail.emit(
            type_,
            why=why,
            actor=self.actor,
            run=self.run,
            thread=self.session.thread,
            on_behalf_of=self.session.principal.id,
            **data,
        )
