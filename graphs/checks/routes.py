"""Routes: every line leads somewhere, every step is reached, and the table never runs out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from concertmaster.contracts.spec import TERMINALS, RouteSpec
from concertmaster.graphs.checks.expressions import check_condition
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.view import ROUTE_FIELDS, RULE_FIELDS

__all__ = ["check_fallbacks", "check_routes", "check_rules"]

_OWNER_WORDS = ("intent.owner", "evidence.owner")
_FALLBACK_ENDS = ("escalate", "refuse")


def check_routes(subject: Subject) -> Iterator[Problem]:
    """Look at the supervisor's table."""
    for index, route in enumerate(subject.workflow.routes):
        at: Place = ("workflow", "routes", index)
        if route.when is not None:
            whose = f"route {index + 1}"
            yield from check_condition(subject, (*at, "when"), route.when, ROUTE_FIELDS, whose)
        yield from _targets(subject, index, route)
        owners = subject.workflow.owners
        if route.owner is not None and route.owner not in (*owners, *_OWNER_WORDS):
            known = (*owners, *_OWNER_WORDS)
            place = (*at, "owner")
            yield subject.unknown(place, "owner", route.owner, known, f"route {index + 1}")
    yield from _order(subject)
    yield from _reached(subject)


def check_rules(subject: Subject) -> Iterator[Problem]:
    """Look at the business rules that answers must keep."""
    rules = subject.workflow.rules
    ids = [(rule.id, ("workflow", "rules", i, "id")) for i, rule in enumerate(rules)]
    yield from subject.twice(ids, "rule")
    for index, rule in enumerate(rules):
        place = ("workflow", "rules", index, "check")
        yield from check_condition(subject, place, rule.check, RULE_FIELDS, f"rule {rule.id!r}")


def check_fallbacks(subject: Subject) -> Iterator[Problem]:
    """Look at where steps fall back to: nowhere unknown, and never in a circle."""
    leads: dict[str, str] = {}
    for index, step in enumerate(subject.workflow.steps):
        if step.fallback is None or step.fallback in _FALLBACK_ENDS:
            continue
        if step.fallback in subject.steps:
            leads.setdefault(step.id, step.fallback)
            continue
        place, known = ("workflow", "steps", index, "fallback"), (*subject.steps, *_FALLBACK_ENDS)
        yield subject.unknown(place, "step", step.fallback, known, f"step {step.id!r}: fallback")
    told: set[str] = set()
    for index, step in enumerate(subject.workflow.steps):
        circle = _circle(step.id, leads)
        if circle and told.isdisjoint(circle):
            told.update(circle)
            shown = " → ".join((*circle, circle[0]))
            hint = "let one of them fall back to `escalate` or `refuse`"
            place = ("workflow", "steps", index, "fallback")
            message = f"fallbacks run in a circle: {shown}"
            yield subject.error(place, "fallback-loop", message, hint)


def _circle(start: str, leads: dict[str, str]) -> list[str]:
    """Return the fallbacks from a step back to itself; nothing if they do not come back."""
    path = [start]
    while (following := leads.get(path[-1])) is not None and following != start:
        if following in path:
            return []
        path.append(following)
    return path if following == start else []


def _ways(route: RouteSpec) -> Iterator[tuple[Place, str]]:
    """Yield where a route can lead, each with its place in the route."""
    if route.to is not None:
        yield ("to",), route.to
    for n, option in enumerate(route.ask or ()):
        yield ("ask", n), option
    if route.otherwise is not None:
        yield ("otherwise",), route.otherwise


def _targets(subject: Subject, index: int, route: RouteSpec) -> Iterator[Problem]:
    known = (*subject.steps, *TERMINALS)
    for place, target in _ways(route):
        if target not in known:
            whose = f"route {index + 1}"
            at = ("workflow", "routes", index, *place)
            yield subject.unknown(at, "step", target, known, whose)
    if route.ask is not None and not route.ask:
        told = f"route {index + 1} asks a model and offers nothing to choose from"
        hint = "list the steps among which it chooses"
        yield subject.error(("workflow", "routes", index, "ask"), "empty-ask", told, hint)


def _order(subject: Subject) -> Iterator[Problem]:
    routes = subject.workflow.routes
    always = [i for i, r in enumerate(routes) if r.when is None or r.when.strip() == "true"]
    if not always:
        told = "the last route has a condition, so the table can run out"
        hint = "end with a route without `when`, such as {to: escalate, owner: …}"
        place: Place = ("workflow", "routes", len(routes) - 1)
        yield subject.error(place, "no-final-route", told, hint)
    elif always[0] < len(routes) - 1:
        first = always[0] + 1
        told = f"route {first + 1} and what follows is never reached: route {first} always holds"
        hint = f"move route {first} to the end, or give it a condition"
        yield subject.error(("workflow", "routes", first), "unreachable-route", told, hint)


def _reached(subject: Subject) -> Iterator[Problem]:
    falls = {s.id: s.fallback for s in subject.workflow.steps}
    reached: set[Any] = set()
    following: set[Any] = {t for r in subject.workflow.routes for _, t in _ways(r)}
    while following:
        reached |= following
        following = {falls.get(step) for step in following} - reached
    for index, step in enumerate(subject.workflow.steps):
        if step.id not in reached:
            told = f"step {step.id!r} is never reached"
            hint = "add a route to it, or take it away"
            yield subject.error(("workflow", "steps", index), "unreachable-step", told, hint)
