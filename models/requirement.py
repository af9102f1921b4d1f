"""What a call needs of a model once a workspace's rules have spoken. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.model import Ability, ModelRule, Preference, Tier
from concertmaster.contracts.steps import ModelNeed
from concertmaster.policies.conditions import Condition, ConditionError

__all__ = ["FIELDS", "TIERS", "Requirement", "required"]

TIERS: tuple[Tier, ...] = ("small", "capable", "best")
"""Tiers of quality, the lowest first."""

FIELDS: Mapping[str, Any] = {
    "step": None,
    "need": None,
    "risk": None,
    "confidentiality": None,
    "tokens": None,
    "turns": None,
    "intent": {"name": None, "in_scope": None, "acts": None, "owner": None},
    "principal": {"id": None, "roles": None, "groups": None, "tenant": None},
}
"""What the condition of a rule may refer to."""


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What is required. `regions` empty is anywhere, `only` None any model; `notes` say why."""

    ability: Ability
    tier: Tier = "capable"
    clearance: Confidentiality = Confidentiality.internal
    regions: frozenset[str] = frozenset()
    context: int = 0
    prefer: Preference = "cost"
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    impossible: str | None = None

    @classmethod
    def of(cls, need: ModelNeed) -> Self:
        """Return what a step's declaration alone requires."""
        return cls(
            ability=need.need,
            tier=need.tier,
            clearance=Confidentiality[need.clearance],
            regions=frozenset(need.regions),
            context=need.context,
            prefer=need.prefer,
        )

    def under(self, rule: ModelRule) -> Requirement:
        """Return this with a rule's changes: tiers and clearances rise, the rest narrows."""
        regions = self.regions
        impossible = self.impossible
        if rule.regions is not None:
            wanted = frozenset(rule.regions)
            regions = regions & wanted if regions else wanted
            if not regions:
                impossible = f"no region satisfies the step and the rule {rule.id}"
        only = self.only
        if rule.only is not None:
            only = frozenset(rule.only) if only is None else only & frozenset(rule.only)
        tier = max(self.tier, rule.tier or self.tier, key=TIERS.index)
        clearance = Confidentiality[rule.clearance] if rule.clearance else self.clearance
        return Requirement(
            ability=self.ability,
            tier=tier,
            clearance=max(self.clearance, clearance),
            regions=regions,
            context=self.context,
            prefer=rule.prefer or self.prefer,
            only=only,
            never=self.never | frozenset(rule.never),
            notes=(*self.notes, f"{rule.id}: {rule.why}" if rule.why else rule.id),
            impossible=impossible,
        )


def required(need: ModelNeed, rules: Sequence[ModelRule], known: Mapping[str, Any]) -> Requirement:
    """Return what a need requires under the rules that hold.

    A rule whose condition cannot be evaluated counts as one that holds: rules only restrict.

    Args:
        need: the step's.
        rules: of the workspace, in order.
        known: the values of `FIELDS`.
    """
    requirement = Requirement.of(need)
    for rule in rules:
        try:
            holds = Condition.compile(rule.when).holds(known)
        except ConditionError:
            holds = True
        if holds:
            requirement = requirement.under(rule)
    return requirement
