"""The supervisor: where a run goes next, and why. A pure function over a table.

The first route whose condition holds decides. What no table may leave open is decided before it:
too many hops, a step that failed, an effect that is in doubt. A condition that cannot be
evaluated escalates; it never falls through to the next line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from concertmaster.contracts import Hop, Principal, Turn
from concertmaster.contracts.spec import RouteSpec, WorkspaceSpec
from concertmaster.graphs.view import ROUTE_FIELDS, RouteView
from concertmaster.policies.conditions import Condition, ConditionError

__all__ = ["Ask", "Route", "RouteTable", "route", "view_of"]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A model chooses among the options; any other answer goes to `otherwise`."""

    options: tuple[str, ...]
    otherwise: str
    why: str
    route: int


@dataclass(frozen=True, kw_only=True)
class Route:
    """One compiled line of the table."""

    index: int
    spec: RouteSpec
    condition: Condition | None


@dataclass(frozen=True, kw_only=True)
class RouteTable:
    """The compiled table with what it falls back on."""

    routes: tuple[Route, ...]
    owner: str
    step_owners: Mapping[str, str]
    hop_limit: int

    @classmethod
    def compile(cls, spec: WorkspaceSpec) -> RouteTable:
        """Compile every condition of a workflow.

        Raises:
            ConditionError: a condition does not compile or names an unknown field.
        """
        workflow = spec.workflow
        routes = tuple(
            Route(
                index=index,
                spec=route,
                condition=Condition.compile(route.when, ROUTE_FIELDS) if route.when else None,
            )
            for index, route in enumerate(workflow.routes)
        )
        owner = workflow.owner or ""
        return cls(
            routes=routes,
            owner=owner,
            step_owners={s.id: s.owner or owner for s in workflow.steps},
            hop_limit=workflow.limits.hops,
        )


def route(view: RouteView, table: RouteTable) -> Hop | Ask:
    """Return the next hop with its reason, or the question a model has to answer."""
    guarded = _guard(view, table)
    if guarded is not None:
        return guarded
    known = view.as_cel()
    for line in table.routes:
        try:
            if line.condition is not None and not line.condition.holds(known):
                continue
        except ConditionError as error:
            why = f"route {line.index + 1} could not be evaluated: {error}"
            return Hop(to="escalate", why=why, owner=table.owner, route=line.index)
        return _follow(line, view, table)
    return Hop(to="escalate", why="no route applies", owner=table.owner)


def _guard(view: RouteView, table: RouteTable) -> Hop | None:
    if view.hops >= table.hop_limit:
        why = f"the limit of {table.hop_limit} hops is reached"
        return Hop(to="escalate", why=why, owner=table.owner)
    if view.failed_step is not None:
        fallback = view.failed_fallback or "escalate"
        owner = view.failed_owner or table.step_owners.get(view.failed_step, table.owner)
        why = f"step {view.failed_step} failed and falls back to {fallback}"
        return Hop(to=fallback, why=why, owner=owner if fallback == "escalate" else None)
    doubtful = next((a for a in view.actions if a.status == "in_doubt"), None)
    if doubtful is not None:
        why = f"whether {doubtful.tool} took effect is unknown"
        return Hop(to="escalate", why=why, owner=table.step_owners.get(doubtful.step, table.owner))
    return None


def _follow(line: Route, view: RouteView, table: RouteTable) -> Hop | Ask:
    spec = line.spec
    why = spec.why or (f"because {spec.when}" if spec.when else "no other route applies")
    if spec.ask is not None:
        return Ask(
            options=spec.ask, otherwise=spec.otherwise or "escalate", why=why, route=line.index
        )
    owner = spec.owner
    if owner == "intent.owner":
        owner = view.intent.owner if view.intent else None
    elif owner == "evidence.owner":
        owner = view.evidence_owner
    if spec.to == "escalate" and not owner:
        owner = table.owner
    return Hop(to=spec.to or "escalate", why=why, owner=owner, route=line.index)


def view_of(turn: Turn, principal: Principal) -> RouteView:
    """Return the read-only view of a turn that conditions see."""
    retrieved = turn.retrieved
    statuses = {r.status for r in turn.results.values()}
    actions = []
    for action in turn.actions:
        result = turn.results.get(str(action.position))
        status = result.status if result else "proposed"
        actions.append(
            {"tool": action.tool, "status": status, "key": action.key, "step": action.step}
        )
    return RouteView.model_validate(
        {
            "intent": turn.intent.model_dump(include=_INTENT) if turn.intent else None,
            "retrieved": retrieved is not None,
            "evidence": [
                {"document": e.document, "title": e.title, "score": e.score}
                for e in (retrieved.evidence if retrieved else ())
            ],
            "evidence_owner": retrieved.owner if retrieved else None,
            "sufficient": bool(retrieved and retrieved.sufficient),
            "actions": actions,
            "planned": bool(turn.planned),
            "acted": bool(turn.planned) and not turn.unsettled(),
            "denied": "denied" in statuses,
            "rejected": "rejected" in statuses,
            "failed": "failed" in statuses,
            "asks": turn.asks,
            "draft": (
                {"method": turn.draft.method, "asks": turn.draft.asks} if turn.draft else None
            ),
            "verdict": (
                {"status": turn.verdict.status, "supported": turn.verdict.supported}
                if turn.verdict
                else None
            ),
            "revisions": turn.revisions,
            "hops": len(turn.hops),
            "done": list(turn.done),
            "failed_step": turn.failed.step if turn.failed else None,
            "failed_fallback": turn.failed.fallback if turn.failed else None,
            "failed_owner": turn.failed.owner if turn.failed else None,
            "data": turn.data,
            "principal": {
                "id": principal.id,
                "roles": list(principal.roles),
                "groups": list(principal.groups),
                "tenant": principal.tenant,
                "authenticated": principal.authenticated,
            },
        }
    )


_INTENT = {
    "name",
    "in_scope",
    "confidence",
    "needs_evidence",
    "acts",
    "owner",
    "playbook",
    "method",
}
