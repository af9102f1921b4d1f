"""Sets of policies of any size, each rule written for Cedar and, in its own words, for the peer.

One in ten rules is for every tool, two for a group of tools, seven for a single one. They speak
of roles and teams, amounts, an order's state, what happened before, labels and provenance.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Rule", "as_cedar", "as_peer", "peer_context", "rules"]

_READS = (
    "get_order",
    "get_payments",
    "track_shipment",
    "shipment_history",
    "quote_return",
    "find_item",
)
_STATEFUL = ("refund_payment", "cancel_order", "change_address")
_MONEY = ("refund_payment", "issue_store_credit")
_ACCOUNTS = ("list_orders", "get_store_credit", "find_customer")
_OF_ORDERS = (*_READS, *_STATEFUL, "replace_item", "issue_store_credit")
_TEAMS = 12

Condition = tuple[str, str]
"""The same condition in Cedar and in the peer's words; what the latter cannot say is a flag."""

CUSTOMER = ('principal.roles.contains("customer")', "principal.customer")
STAFF = ('principal.roles.contains("staff")', "principal.staff")
OWN = ("context.facts.customer == principal.id", "facts.own")
FOREIGN = ("context.facts.customer != principal.id", "facts.foreign")
READ = ("!resource.consequential", "resource.read")
EFFECT = ("resource.consequential", "resource.consequential")
_PROVEN = (
    "context.provenance.targets_trusted && context.provenance.content_trusted"
    " && context.provenance.asked"
)
PROVEN = (_PROVEN, "provenance.proven")
DOUBTFUL = (f"!({_PROVEN})", "provenance.doubtful")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One policy: for some tools or, with None, for all; a permit may ask for a review."""

    id: str
    effect: Literal["permit", "forbid"]
    tools: tuple[str, ...] | None
    conditions: tuple[Condition, ...]
    review: str | None = field(default=None)


def rules(count: int) -> tuple[Rule, ...]:
    """Return as many rules; smaller sets are beginnings of larger ones."""
    return tuple(itertools.islice(itertools.chain(_basic(), _generated()), count))


def _basic() -> Iterator[Rule]:
    yield Rule(id="own-orders", effect="permit", tools=_READS, conditions=(CUSTOMER, OWN))
    yield Rule(id="staff-read", effect="permit", tools=None, conditions=(STAFF, READ))
    yield Rule(id="proven-effects", effect="permit", tools=None, conditions=(EFFECT, PROVEN))
    yield Rule(
        id="doubtful-effects",
        effect="permit",
        tools=None,
        conditions=(EFFECT, DOUBTFUL),
        review="owner",
    )
    yield Rule(id="strangers", effect="forbid", tools=_OF_ORDERS, conditions=(CUSTOMER, FOREIGN))


def _generated() -> Iterator[Rule]:
    everywhere, groups = _everywhere(), _groups()
    single = itertools.chain.from_iterable(zip(*_singles(), strict=True))
    for number in itertools.count():
        yield next((everywhere, groups, groups)[number % 10] if number % 10 < 3 else single)


def _team(number: int) -> Condition:
    name = f"team-{number % _TEAMS:02d}"
    return f'principal.roles.contains("{name}")', f"principal.team == '{name}'"


def _role(name: str) -> Condition:
    return f'principal.roles.contains("{name}")', f"principal.role == '{name}'"


def _number(path: str, sign: str, value: int) -> Condition:
    return f"context.{path} {sign} {value}", f"{path} {sign} {value}"


def _one_of(path: str, *values: str) -> Condition:
    listed = ", ".join(f'"{v}"' for v in values)
    return f"[{listed}].contains(context.{path})", f"{path} in {list(values)!r}"


def _everywhere() -> Iterator[Rule]:
    for n in itertools.count():
        busy = _number("history.run.consequential", ">", 4 + n % 5)
        yield Rule(id=f"busy-{n}", effect="forbid", tools=None, conditions=(_team(n), EFFECT, busy))
        secret = _one_of("label.confidentiality", "restricted")
        yield Rule(
            id=f"secret-{n}", effect="forbid", tools=None, conditions=(_team(n), EFFECT, secret)
        )
        refused = _number("history.thread.refused", ">", n % 4)
        yield Rule(
            id=f"refused-{n}",
            effect="permit",
            tools=None,
            conditions=(_team(n), EFFECT, refused),
            review="supervisor",
        )


def _groups() -> Iterator[Rule]:
    for n in itertools.count():
        late = _number("facts.days_since_delivery", ">", 60 + n)
        yield Rule(id=f"late-{n}", effect="forbid", tools=_STATEFUL, conditions=(_team(n), late))
        yield Rule(
            id=f"auditor-{n}", effect="permit", tools=_READS, conditions=(_role(f"audit-{n}"),)
        )
        much = _number("args.amount_cents", ">", 1000 * (1 + n % 20))
        yield Rule(
            id=f"trainee-{n}",
            effect="forbid",
            tools=_MONEY,
            conditions=(_role(f"trainee-{n}"), much),
        )
        yield Rule(
            id=f"account-{n}", effect="permit", tools=_ACCOUNTS, conditions=(_team(n), STAFF)
        )


def _singles() -> list[Iterator[Rule]]:
    return [
        *(_amounts(tool) for tool in _MONEY),
        *(_states(tool) for tool in ("cancel_order", "change_address")),
        _replacements(),
        *(_looks(tool) for tool in _READS),
        _lists(),
    ]


def _amounts(tool: str) -> Iterator[Rule]:
    for n in itertools.count():
        edge = 2000 + 500 * (n % 40)
        small = _number("args.amount_cents", "<=", edge)
        large = _number("args.amount_cents", ">", edge)
        yield Rule(
            id=f"{tool}-small-{n}", effect="permit", tools=(tool,), conditions=(_team(n), small)
        )
        yield Rule(
            id=f"{tool}-large-{n}",
            effect="permit",
            tools=(tool,),
            conditions=(_team(n), large, STAFF),
            review="finance",
        )


def _states(tool: str) -> Iterator[Rule]:
    for n in itertools.count():
        early = _one_of("facts.status", "placed", "packed")
        gone = _one_of("facts.status", "dispatched", "delivered", "returned", "cancelled")
        yield Rule(
            id=f"{tool}-early-{n}", effect="permit", tools=(tool,), conditions=(_team(n), early)
        )
        yield Rule(
            id=f"{tool}-gone-{n}", effect="forbid", tools=(tool,), conditions=(_team(n), gone)
        )


def _replacements() -> Iterator[Rule]:
    for n in itertools.count():
        dear = _number("facts.price_cents", ">", 5000 + 250 * n)
        soon = _number("facts.days_since_delivery", "<=", 30)
        yield Rule(
            id=f"replace-{n}",
            effect="permit",
            tools=("replace_item",),
            conditions=(_team(n), soon, dear),
            review="returns-lead",
        )


def _looks(tool: str) -> Iterator[Rule]:
    for n in itertools.count():
        open_ = _one_of("facts.status", "placed", "packed", "dispatched", "delivered")
        yield Rule(
            id=f"{tool}-look-{n}", effect="permit", tools=(tool,), conditions=(_team(n), open_)
        )


def _lists() -> Iterator[Rule]:
    for n in itertools.count():
        more = f"args.limit > {4 + n % 12}"
        long = (f"context.args has limit && context.{more}", more)
        yield Rule(
            id=f"list-{n}", effect="forbid", tools=("list_orders",), conditions=(_team(n), long)
        )


def as_cedar(chosen: tuple[Rule, ...]) -> str:
    """Return the rules as Cedar policies."""
    return "\n\n".join(_cedar(rule) for rule in chosen) + "\n"


def _cedar(rule: Rule) -> str:
    head = [f'@id("{rule.id}")', f'@reason("the rule {rule.id} says so")']
    if rule.review:
        head.append(f'@obligation("review:{rule.review}")')
    action = "action"
    if rule.tools is not None:
        listed = ", ".join(f'Action::"{tool}"' for tool in rule.tools)
        action = f"action in [{listed}]" if len(rule.tools) > 1 else f"action == {listed}"
    said = "\n  && ".join(cedar for cedar, _ in rule.conditions)
    return "\n".join(
        (*head, f"{rule.effect} (principal, {action}, resource)", f"when {{ {said} }};")
    )


def as_peer(chosen: tuple[Rule, ...]) -> dict[str, Any]:
    """Return the rules as a policy document of the peer: any deny wins, then reviews."""
    return {
        "apiVersion": "governance.toolkit/v1",
        "name": "support-desk",
        "agents": ["*"],
        "default_action": "deny",
        "rules": [_peer(rule) for rule in chosen],
    }


def _peer(rule: Rule) -> dict[str, Any]:
    said = [flag for _, flag in rule.conditions]
    if rule.tools is not None:
        listed = list(rule.tools)
        one = f"action.type == '{listed[0]}'"
        said.insert(0, one if len(listed) == 1 else f"action.type in {listed!r}")
    action = "deny" if rule.effect == "forbid" else "require_approval" if rule.review else "allow"
    return {
        "name": rule.id,
        "description": f"the rule {rule.id} says so",
        "condition": " and ".join(said),
        "action": action,
        "approvers": [rule.review] if rule.review else [],
        "priority": {"allow": 1, "require_approval": 2, "deny": 3}[action],
    }


def peer_context(
    context: dict[str, Any], principal: Any, tool: str, *, read: bool
) -> dict[str, Any]:
    """Return what the peer's conditions look at: our finished context, and flags made from it."""
    roles = principal.roles
    proven = all(context["provenance"][k] for k in ("targets_trusted", "content_trusted", "asked"))
    owner = context["facts"].get("customer")
    return {
        **context,
        "action": {"type": tool},
        "principal": {
            "id": principal.id,
            "customer": "customer" in roles,
            "staff": "staff" in roles,
            "team": next((r for r in roles if r.startswith("team-")), ""),
            "role": roles[0] if roles else "",
        },
        "facts": {
            **context["facts"],
            "own": owner == principal.id,
            "foreign": owner is not None and owner != principal.id,
        },
        "resource": {"read": read, "consequential": not read},
        "provenance": {**context["provenance"], "proven": proven, "doubtful": not proven},
    }
