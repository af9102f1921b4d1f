"""The read-only view of a turn that route conditions see: every field is always present."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from concertmaster.contracts import Record
from concertmaster.policies.conditions import Fields

__all__ = ["PLAYBOOK_FIELDS", "ROUTE_FIELDS", "RULE_FIELDS", "RouteView"]


class IntentView(Record):
    """The classified intent."""

    name: str | None
    in_scope: bool
    confidence: float
    needs_evidence: bool
    acts: bool
    owner: str
    playbook: str | None
    method: str


class EvidenceView(Record):
    """One passage."""

    document: str
    title: str
    score: float


class ActionView(Record):
    """One proposed call; `status` is `proposed` until it is settled."""

    tool: str
    status: str
    key: str
    step: str


class DraftView(Record):
    """The draft."""

    method: str
    asks: str | None


class VerdictView(Record):
    """The critic's verdict."""

    status: str
    supported: float


class PrincipalView(Record):
    """Who asks."""

    id: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    tenant: str | None
    authenticated: bool


class RouteView(Record):
    """What the supervisor decides on; null until set.

    `acted` is true when a plan was made and every call of it is settled; `denied`, `rejected`
    and `failed` when some call ended so. `done` are the ids of the finished steps, `data` is
    what custom steps returned.
    """

    intent: IntentView | None = None
    retrieved: bool = False
    evidence: tuple[EvidenceView, ...] = ()
    evidence_owner: str | None = None
    sufficient: bool = False
    actions: tuple[ActionView, ...] = ()
    planned: bool = False
    acted: bool = False
    denied: bool = False
    rejected: bool = False
    failed: bool = False
    asks: str | None = None
    draft: DraftView | None = None
    verdict: VerdictView | None = None
    revisions: int = 0
    hops: int = 0
    done: tuple[str, ...] = ()
    failed_step: str | None = None
    failed_fallback: str | None = None
    failed_owner: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    principal: PrincipalView

    def as_cel(self) -> dict[str, Any]:
        """Return the view as plain data for conditions."""
        return self.model_dump(mode="json")


def _fields(record: type[Record]) -> dict[str, Any]:
    return dict.fromkeys(record.model_fields)


_PRINCIPAL = _fields(PrincipalView)

ROUTE_FIELDS: Fields = {
    **dict.fromkeys(RouteView.model_fields),
    "intent": _fields(IntentView),
    "evidence": [_fields(EvidenceView)],
    "actions": [_fields(ActionView)],
    "draft": _fields(DraftView),
    "verdict": _fields(VerdictView),
    "principal": _PRINCIPAL,
}
"""The names that a route's condition may refer to."""

PLAYBOOK_FIELDS: Fields = {
    "slots": None,
    "results": None,
    "data": None,
    "principal": {"id": None, "name": None, "roles": None, "groups": None, "tenant": None},
    "request": {"text": None, "thread": None},
}
"""The names that a playbook's expressions may refer to; slots and results are its own."""

RULE_FIELDS: Fields = {
    "draft": {"text": None, "method": None, "asks": None},
    "intent": None,
    "principal": {"id": None, "roles": None},
}
"""The names that a business rule may refer to."""
