"""What a replay found, in sentences and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from concertmaster.cli.console import note, put, safe, styled
from concertmaster.evaluation.replay.recorded import GOVERNED

if TYPE_CHECKING:
    from concertmaster.cli.policy_replay import Looked
    from concertmaster.evaluation.replay.difference import Change, Changed, Verdict

__all__ = ["plain", "show"]

_SENTENCES: Mapping[Change, str] = {
    "stopped": "would have been stopped",
    "sent_to_person": "would have been sent to a person",
    "let_through": "would have been let through",
    "other_people": "would have been sent to other people",
    "other_duties": "would have been decided alike, with other duties",
}
_STYLES: Mapping[Change, str] = {
    "stopped": "red",
    "sent_to_person": "yellow",
    "let_through": "green",
}
_WAS = {"allow": "was allowed", "review": "was reviewed", "deny": "was denied"}
_EXAMPLES, _LINES = 3, 12


def show(looked: Looked) -> None:
    """Tell a replay in sentences."""
    found = looked.difference
    put(styled(looked.home, "dim"))
    calls = len(found.calls)
    put(
        f"{_number(calls, 'recorded call')} decided again under {safe(looked.policies)},"
        f" in {_number(found.decisions - found.beyond.total(), 'decision')}"
    )
    for change, sentence in _SENTENCES.items():
        if listed := found.of(change):
            put(styled(f"{_number(len(listed), 'call')} {sentence}", _STYLES.get(change, "bold")))
            _examples(listed)
    same = len(found.of("same"))
    put(f"{_number(same, 'call')} {'stays' if same == 1 else 'stay'} as decided")
    for what in ("rule", "tool", "principal"):
        _by(f"by {what}", found.by(what))
    _limits(looked)


def _examples(listed: Sequence[Changed]) -> None:
    for call in listed[:_EXAMPLES]:
        took = "; it took effect" if call.effect else ""
        put(
            f"  {_place(call.run, call.position)}: {safe(call.tool)} for"
            f" {safe(call.principal)} {_WAS[call.before.kind]} ({_rules(call.before)}),"
            f" now {_now(call.after)} ({_rules(call.after)}){took}"
        )
    if len(listed) > _EXAMPLES:
        put(f"  … and {len(listed) - _EXAMPLES} more; --json lists all")


def _place(run: str, position: int) -> str:
    """Name a call: by its place in its run's plan, or by itself where an agent made it."""
    return safe(run) if run.startswith(GOVERNED) else f"{safe(run)} call {position + 1}"


def _now(verdict: Verdict) -> str:
    if verdict.kind == "review":
        return f"reviewed by {', '.join(map(safe, verdict.needs))}"
    return "allowed" if verdict.kind == "allow" else "denied"


def _rules(verdict: Verdict) -> str:
    return ", ".join(map(safe, verdict.policies)) or "no policy permits it"


def _by(title: str, counted: Mapping[str, Counter[Change]]) -> None:
    if not counted:
        return
    put(styled(title, "bold"))
    for name, changes in list(counted.items())[:_LINES]:
        listed = ", ".join(f"{n} {change.replace('_', ' ')}" for change, n in changes.most_common())
        put(f"  {safe(name)}: {listed}")
    if len(counted) > _LINES:
        put(f"  … and {len(counted) - _LINES} more")


def _limits(looked: Looked) -> None:
    """Say what was not known exactly, not at all, and what nobody can know."""
    found = looked.difference
    put(styled("how sure this is", "bold"))
    put(f"  exact: {_number(found.exact, 'decision')}")
    for why, number in found.settled.items():
        put(f"  exact: {_number(number, 'decision')} that no policy can change: {why}")
    for why, number in found.assumed.items():
        put(f"  approximate: {_number(number, 'decision')}: {why}")
    for why, number in found.beyond.items():
        put(f"  not at all: {_number(number, 'decision')}: {why}")
    if looked.erased:
        put(f"  not at all: {_number(looked.erased, 'decision')} erased from the trail")
    _self_check(looked)
    if found.after_stopped:
        note(
            f"{_number(found.after_stopped, 'call')} came after a stopped one on the same thread;"
            " what would have happened there instead is not known"
        )
    if found.of("sent_to_person", "other_people"):
        note("what the people who would have been asked had answered is not known")


def _self_check(looked: Looked) -> None:
    found = looked.difference
    if looked.own is None:
        note(f"the policies of today are not sound, so there is no check: {looked.unsound}")
    elif not found.checked:
        put("  check: none of these decisions was made under the present policies")
    elif not found.mismatched:
        put(
            f"  check: {_number(found.checked, 'decision')} made under the present"
            " policies, all reproduced"
        )
    else:
        some = ", ".join(_place(r.run, r.position) for r in found.mismatched[:3])
        wrong = (
            f"  check: {len(found.mismatched)} of {_number(found.checked, 'decision')} made under"
            f" the present policies do not come out as recorded: {some}"
        )
        put(styled(wrong, "red"))


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def plain(looked: Looked) -> dict[str, Any]:
    """Return a replay as plain JSON; `calls` lists those that would have gone otherwise."""
    found, wanted = looked.difference, looked.wanted
    return {
        "home": str(looked.home),
        "workspace": wanted.workspace,
        "since": wanted.since or None,
        "until": None if wanted.until == "~" else wanted.until,
        "policies": str(looked.policies),
        "bundle": looked.bundle,
        "recorded_bundles": dict(found.bundles),
        "decisions": {
            "read": found.decisions,
            "exact": found.exact,
            "settled": dict(found.settled),
            "approximate": dict(found.assumed),
            "not_at_all": dict(found.beyond),
            "erased": looked.erased,
        },
        "check": {
            "bundle": looked.own,
            "decisions": found.checked,
            "reproduced": found.checked - len(found.mismatched),
            "differ": [{"run": r.run, "position": r.position} for r in found.mismatched],
        },
        "recorded_calls": len(found.calls),
        "changes": dict(Counter(call.change for call in found.calls)),
        "by_rule": {name: dict(c) for name, c in found.by("rule").items()},
        "by_tool": {name: dict(c) for name, c in found.by("tool").items()},
        "by_principal": {name: dict(c) for name, c in found.by("principal").items()},
        "after_stopped": found.after_stopped,
        "calls": [_plain(call) for call in found.changed],
    }


def _plain(call: Changed) -> dict[str, Any]:
    names = ("run", "thread", "time", "position", "tool", "principal", "change", "effect")
    return {
        **{name: getattr(call, name) for name in names},
        "assumed": list(call.assumed),
        "before": _verdict(call.before),
        "after": _verdict(call.after),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "decision": verdict.kind,
        "policies": list(verdict.policies),
        "needs": list(verdict.needs),
        "duties": list(verdict.duties),
    }
