"""Why a call is decided as it is: the rules that decided, and why the others did not match."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.contracts import Decision, Deny, Provenance
from concertmaster.policies.bundle import Policy
from concertmaster.policies.call import Call
from concertmaster.policies.context import context_of
from concertmaster.policies.lowering import NotLowered
from concertmaster.policies.provenance import trace
from concertmaster.policies.schema import vocabulary
from concertmaster.policies.trials.cases import CallCase
from concertmaster.policies.trials.conditions import Condition, Path, conditions, paths
from concertmaster.policies.trials.setting import Setting, Trial, try_out
from concertmaster.policies.trials.wording import Origins, origins_of

__all__ = ["Checked", "Explanation", "Rule", "explain", "explained"]

Standing = Literal["decided", "outweighed", "failed", "did not match"]
"""What became of a rule: a permit that holds is outweighed by a forbid; a failed one denies."""

_ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A condition of a rule: whether it lets the rule match, and the values that it looks at.

    `fits` is None where it cannot be told: an earlier condition keeps it from being looked at.
    """

    condition: Condition
    fits: bool | None
    seen: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A policy that governs the tool, and what became of it for one call."""

    policy: Policy
    standing: Standing
    conditions: tuple[Checked, ...]

    @property
    def unmet(self) -> tuple[Checked, ...]:
        """The conditions that keep the rule from matching."""
        return tuple(c for c in self.conditions if c.fits is False)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A decision with everything that it rests on.

    `call` is None if its arguments do not fit the tool. `seen` is the context that policies saw;
    None if the call never came to them, and then there are no `rules` and no `origins` either.
    """

    decision: Decision
    call: Call | None
    rules: tuple[Rule, ...] = ()
    seen: Mapping[str, Any] | None = None
    origins: tuple[Origins, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether the policies were asked at all."""
        return self.seen is not None


def explain(case: CallCase, setting: Setting, *, facts_error: str | None = None) -> Explanation:
    """Return the gate's decision for a written call, and why.

    Raises:
        CaseError: it names a step, principal, intent or fact that does not exist.
    """
    return explained(try_out(case, setting, facts_error=facts_error), setting)


def explained(trial: Trial, setting: Setting) -> Explanation:
    """Return why a call that was tried out was decided as it was."""
    decision, call = trial.decision, trial.call
    found = _asked(call, setting) if call and not _turned_away(decision) else None
    if call is None or found is None:
        return Explanation(decision=decision, call=call)
    provenance, context = found
    return Explanation(
        decision=decision,
        call=call,
        rules=_rules(call, decision, found, setting),
        seen=context,
        origins=origins_of(setting.shapes[call.tool], call.arguments, provenance),
    )


def _turned_away(decision: Decision) -> bool:
    """Tell whether the gate denied before the policies were asked: it looks at origins last."""
    return isinstance(decision, Deny) and decision.provenance is None


def _asked(call: Call, setting: Setting) -> tuple[Provenance, dict[str, Any]] | None:
    shape = setting.shapes.get(call.tool)
    if shape is None or call.facts_error is not None:
        return None
    provenance = trace(shape, call.arguments, call.sources, offered=call.offered)
    words = vocabulary({call.tool: shape})
    try:
        return provenance, context_of(call, provenance, shape, words, setting.workspace)
    except NotLowered:
        return None


def _rules(
    call: Call,
    decision: Decision,
    asked: tuple[Provenance, dict[str, Any]],
    setting: Setting,
) -> tuple[Rule, ...]:
    provenance, context = asked
    policies = setting.engine.governing(call.tool)
    split = [conditions(policy) for policy in policies]
    fits = _probe(call, provenance, [c for found in split for c in found], setting)
    values = _values(call, context, setting)
    rules, at = [], 0
    for policy, found in zip(policies, split, strict=True):
        told = fits[at : at + len(found)]
        at += len(found)
        checked = tuple(
            Checked(condition=c, fits=fit, seen=_seen(c, values))
            for c, fit in zip(found, told, strict=True)
        )
        standing = _standing(policy, decision, told)
        rules.append(Rule(policy=policy, standing=standing, conditions=checked))
    return tuple(rules)


def _probe(
    call: Call, provenance: Provenance, asked: Sequence[Condition], setting: Setting
) -> list[bool | None]:
    """Ask Cedar about each condition alone; None for one that cannot be evaluated."""
    from cedarpy import PolicySet

    if not asked:
        return []
    probes = PolicySet.from_str("\n".join(c.probe for c in asked))
    result = setting.engine.ask(call, provenance, setting.workspace, probes)
    held = {int(name.removeprefix("policy")) for name in result.diagnostics.reasons}
    told = " ".join(result.diagnostics.errors)
    failed = {int(number) for number in re.findall(r"`policy(\d+)`", told)}
    return [None if n in failed else n in held for n in range(len(asked))]


def _standing(policy: Policy, decision: Decision, fits: Sequence[bool | None]) -> Standing:
    first = next((fit for fit in fits if fit is not True), True)
    if first is None:
        return "failed"
    if first is False:
        return "did not match"
    return "decided" if policy.id in decision.policies else "outweighed"


def _values(call: Call, context: Mapping[str, Any], setting: Setting) -> Mapping[str, Any]:
    shape, who = setting.shapes[call.tool], call.principal
    return {
        "principal": {
            **{k: v for k, v in who.model_dump(mode="json").items() if v is not None},
            "authenticated": who.authenticated,
        },
        "resource": {
            "effect": shape.effect,
            "consequential": shape.consequential,
            "clearance": shape.clearance.name,
        },
        "context": context,
    }


def _seen(condition: Condition, values: Mapping[str, Any]) -> dict[str, Any]:
    found = {".".join(path): _value(path, values) for path in paths(condition.tree)}
    if condition.kind == "scope":
        found["principal.id"] = values["principal"]["id"]
    return found


def _value(path: Path, values: Mapping[str, Any]) -> Any:
    value: Any = values
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    if isinstance(value, Mapping) and set(value) == {"__extn"}:
        return value["__extn"]["arg"]
    return value
