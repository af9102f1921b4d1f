"""How the explanation of a decision is shown: what decided, what it rests on, and why not else."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from concertmaster.cli.console import note, out, put, styled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from concertmaster.contracts import Deadline, Decision
    from concertmaster.policies.trials import CallCase, Explanation, Setting
    from concertmaster.policies.trials.explaining import Checked, Rule

__all__ = ["explained_json", "near_by", "rules_json", "show_explained", "show_rules"]

_STYLES = {"allow": "bold green", "review": "bold yellow", "deny": "bold red"}
_LONGEST = 60
_GROUPS = (
    ("decided", None, "decided by"),
    ("failed", None, "could not be evaluated, so the call is denied"),
    ("outweighed", None, "permits that hold, but a forbid outweighs them"),
    ("did not match", "permit", "permits that do not hold, and why"),
    ("did not match", "forbid", "forbids that do not hold, and why"),
)


def near_by(file: str) -> str:
    """Return a file's path from here, or the whole one if it lies elsewhere."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative


def show_explained(case: CallCase, found: Explanation, setting: Setting) -> None:
    """Print a decision, its rules, and what they looked at."""
    decision = found.decision
    named = case.principal if isinstance(case.principal, str) else case.principal.id
    who = " ".join(named.split())
    step = f", step {found.call.step}" if found.call else ""
    head = styled(decision.kind, _STYLES[decision.kind])
    head.append_text(styled(f"  {case.tool} for {who}{step}"))
    put(head)
    for reason in decision.reasons:
        _line(f"{reason}", 2)
    for name, told in _consequences(decision).items():
        _line(f"{name}: {told}", 2)
    if not found.reached:
        put("")
        put(styled("The policies were not asked: the call was denied before."))
        for line in _remedies(case, found, setting):
            note(line, "yellow")
        return
    put("")
    show_rules(found)
    _show_call(found)
    _show_seen(found)


def _line(text: str, indent: int, style: str = "") -> None:
    """Print a line; where a terminal wraps it, the rest stands below its beginning."""
    if out().is_terminal:
        from rich.padding import Padding

        put(Padding(styled(text, style), (0, 0, 0, indent)))
    else:
        put(styled(" " * indent + text, style))


def show_rules(found: Explanation, *, indent: int = 0, forbids: bool = True) -> None:
    """Print what became of each rule; of those that did not match, which condition failed.

    `forbids` is whether those that did not hold are shown: nobody misses them in a denied call.
    """
    if not found.reached:
        for reason in found.decision.reasons:
            _line(f"denied before any policy was asked: {reason}", indent)
    for standing, effect, title in _GROUPS:
        rules = [
            rule
            for rule in found.rules
            if rule.standing == standing and effect in (None, rule.policy.effect)
        ]
        if effect == "forbid" and not forbids:
            continue
        if rules:
            _line(title, indent, "bold")
        for rule in rules:
            _show_rule(rule, indent + 2)


def _show_rule(rule: Rule, indent: int) -> None:
    policy = rule.policy
    place = f"{near_by(policy.file)}:{policy.line}"
    _line(f"{policy.id}  {policy.effect}  {place}", indent, "cyan")
    if rule.standing in ("decided", "outweighed"):
        if policy.reason:
            _line(policy.reason, indent + 2)
        if policy.obligations:
            _line(f"obligation: {', '.join(policy.obligations)}", indent + 2)
        return
    for checked in rule.unmet if rule.standing == "did not match" else rule.conditions:
        if checked.fits is not True:
            _line(_failed(checked), indent + 2)
            for name, value in checked.seen.items():
                _line(f"{name} = {_short(value)}", indent + 4, "dim")


def _failed(checked: Checked) -> str:
    condition = checked.condition
    text = f"{condition.kind} {condition.text}" if condition.kind != "scope" else condition.text
    if checked.fits is None:
        return f"line {condition.line}: {text} cannot be evaluated"
    holds = "holds" if condition.kind == "unless" else "does not hold"
    return f"line {condition.line}: {text}  {holds}"


def _show_call(found: Explanation) -> None:
    call, provenance = found.call, found.decision.provenance
    if call is None or provenance is None:
        return
    put(styled("arguments", "bold"))
    for origin in found.origins:
        _line(f"{origin.argument} = {_short(call.arguments[origin.argument])}", 2)
        style = "dim" if origin.origin in ("principal", "trusted", None) else "yellow"
        for told in origin.told:
            _line(f"{told}{'' if origin.target else '; no target'}", 4, style)
    if not found.origins:
        _line("none", 2)
    _line(f"asked for: {'yes' if provenance.asked else 'no'}, {provenance.asked_why}", 2)


def _show_seen(found: Explanation) -> None:
    seen = found.seen or {}
    put(styled("seen by the policies", "bold"))
    _line(f"facts: {_named(seen['facts'])}", 2)
    for past in ("run", "thread"):
        told = dict(seen["history"][past])
        told["done"] = ", ".join(told["done"]) or "nothing"
        _line(f"history of the {past}: {_counts(told)}", 2)
    label = seen["label"]
    trusted = "trusted" if label["trusted"] else "untrusted"
    cleared = "may" if label["cleared"] else "may not"
    level = label["confidentiality"]
    _line(f"label of what was read: {trusted}, {level}; the tool {cleared} carry it out", 2)
    _line(f"intent: {seen.get('intent', 'none')}; step: {seen['step']}", 2)


def _counts(past: Mapping[str, Any]) -> str:
    return (
        f"done {past['done']}; {past['calls']} calls, {past['consequential']} with effects,"
        f" {past['refused']} refused"
    )


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_short(_plain(v))}" for name, v in values.items()) or "none"


def _plain(value: Any) -> Any:
    return value["__extn"]["arg"] if isinstance(value, dict) and "__extn" in value else value


def _consequences(decision: Decision) -> dict[str, str]:
    told = {}
    if decision.kind == "review":
        told["must approve"] = " and ".join(f"{n.count} × {n.role}" for n in decision.needs)
        if decision.deadline is not None:
            told["deadline"] = _term(decision.deadline)
    if decision.kind != "deny" and decision.duties:
        told["duties"] = ", ".join(
            f"redact {d.field}" if d.kind == "redact" else f"notify {d.role}"
            for d in decision.duties
        )
    return told


def _term(deadline: Deadline) -> str:
    """Say until when people have time, and what follows."""
    from concertmaster.policies.deadlines import span

    told = span(deadline.seconds)
    if deadline.role is not None:
        told += f", then {deadline.role} has {span(deadline.again.seconds)}"
    return f"{told}, then it is rejected"


def _remedies(case: CallCase, found: Explanation, setting: Setting) -> list[str]:
    """Say how the call comes to the policies, where that is known."""
    from concertmaster.policies.trials.setting import near

    shape = setting.shapes.get(case.tool)
    if shape is None:
        return [f"there is no tool {case.tool}: {near(case.tool, setting.shapes)}"]
    facts = sorted((shape.facts or {}).get("properties") or ())
    if facts and case.facts is None and found.call and found.call.facts_error is None:
        return [
            f"{case.tool} needs facts: {', '.join(facts)}",
            'give them as "facts" of the call, or look them up with --resolve',
        ]
    return []


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def explained_json(case: CallCase, found: Explanation, setting: Setting) -> dict[str, Any]:
    """Return an explanation as one JSON document."""
    return {
        "tool": case.tool,
        "step": found.call.step if found.call else None,
        "principal": found.call.principal.model_dump(mode="json") if found.call else None,
        "arguments": dict(found.call.arguments) if found.call else case.arguments,
        "decision": found.decision.model_dump(mode="json"),
        "reached_policies": found.reached,
        "remedies": [] if found.reached else _remedies(case, found, setting),
        "rules": rules_json(found),
        "origins": [vars(origin) for origin in found.origins],
        "seen": found.seen,
    }


def rules_json(found: Explanation) -> list[dict[str, Any]]:
    """Return what became of each rule, for JSON."""
    return [
        {
            "id": rule.policy.id,
            "effect": rule.policy.effect,
            "standing": rule.standing,
            "file": rule.policy.file,
            "line": rule.policy.line,
            "reason": rule.policy.sentence,
            "obligations": list(rule.policy.obligations),
            "conditions": [
                {
                    "kind": c.condition.kind,
                    "text": c.condition.text,
                    "line": c.condition.line,
                    "column": c.condition.column,
                    "fits": c.fits,
                    "seen": dict(c.seen),
                }
                for c in rule.conditions
            ],
        }
        for rule in found.rules
    ]
