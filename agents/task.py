"""What an agent is given: the turn so far, the step's description, and the rooms it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.agents.notices import Notices
from concertmaster.agents.recorder import Recorder
from concertmaster.contracts import Memory, Message, Principal, Turn
from concertmaster.contracts.events import EventType
from concertmaster.contracts.spec import StepSpec, WorkspaceSpec
from concertmaster.models.counting import Gauge
from concertmaster.models.predictor import Predictors
from concertmaster.policies.redaction import Redaction

if TYPE_CHECKING:
    from concertmaster.audit import Trail
    from concertmaster.models.classifier import IntentModel
    from concertmaster.models.registry import Models
    from concertmaster.policies.approvals import Approvals
    from concertmaster.policies.bases import Bases
    from concertmaster.policies.gate import Gate
    from concertmaster.policies.spending import Spending
    from concertmaster.retrieval.embeddings import Embedder
    from concertmaster.retrieval.knowledge import Knowledge
    from concertmaster.retrieval.tenants import Tenants
    from concertmaster.tools.effects import Carrier
    from concertmaster.tools.plans import Plans
    from concertmaster.tools.toolbox import Toolbox

__all__ = ["Agent", "Services", "Session", "Task"]


@dataclass(frozen=True, kw_only=True)
class Session:
    """Who acts, in which run, on which thread: from the host, never from checkpointed state.

    `words` are the principal's own messages on the thread as the host stored them, this run's
    first. Without a host there are none.
    """

    principal: Principal
    run: str
    thread: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Services:
    """The rooms of one opened workspace. Bound when the graph is compiled, never in its state."""

    name: str
    spec: WorkspaceSpec
    toolbox: Toolbox
    gate: Gate
    approvals: Approvals
    plans: Plans
    carrier: Carrier
    trail: Trail
    models: Models
    knowledge: Knowledge | Tenants | None
    classifier: IntentModel | None
    data_dir: Path
    customs: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    notices: Notices = field(default_factory=Notices)
    redaction: Redaction = field(default_factory=Redaction)
    spending: Spending | None = None
    embedder: Embedder | None = None
    gauge: Gauge = field(default_factory=Gauge)
    predictors: Predictors = field(default_factory=Predictors)
    bases: Bases | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call of one agent.

    `answered` takes the model that answered a sticky step, by the step's id.
    """

    turn: Turn
    memory: Memory
    messages: tuple[Message, ...]
    step: StepSpec
    session: Session
    services: Services
    answered: dict[str, str] = field(default_factory=dict)

    def record(self, type_: EventType, *, why: str, actor: str | None = None, **data: Any) -> None:
        """Put an event of this run into the trail; `actor` is the step unless given."""
        told = Recorder(self.services, self.session, actor or self.step.id, self.session.run)
        told.record(type_, why=why, **data)


Agent = Callable[[Task], Awaitable[dict[str, Any]]]
"""An agent returns the fields of the turn that it changes, as plain JSON or records."""
