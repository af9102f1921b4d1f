"""A playbook as a function: what to do next, given what is known. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import ActionResult
from concertmaster.contracts.spec import CallSpec, PlaybookSpec
from concertmaster.policies.conditions import Expression, Template

__all__ = ["Calls", "Finished", "Move", "PlannedCall", "advance", "reply"]


@dataclass(frozen=True)
class PlannedCall:
    """One call to propose."""

    key: str
    tool: str
    arguments: dict[str, Any]
    why: str


@dataclass(frozen=True)
class Calls:
    """Propose these calls now; they do not depend on each other."""

    calls: tuple[PlannedCall, ...]


@dataclass(frozen=True)
class Finished:
    """Nothing is left to do; `said` is the wording of a business outcome, if one was reached."""

    said: str | None
    why: str


Move = Calls | Finished


def advance(
    playbook: PlaybookSpec,
    variables: Mapping[str, Any],
    results: Collection[ActionResult],
    reads: Collection[str],
) -> Move:
    """Return the next move of a plan.

    Args:
        playbook: the declared plan.
        variables: `slots`, `principal`, `request`, `data` and the earlier steps' `results`.
        results: what came of the calls proposed so far.
        reads: names of tools without effects, which may be proposed together.

    A call that was denied, rejected or failed ends the plan: later calls may rest on it.

    Raises:
        ConditionError: an expression cannot be evaluated over these values.
    """
    settled = {r.key: r for r in results}
    for result in results:
        if result.status != "done":
            return Finished(None, f"{result.tool} was {result.status}")
    known = _with_results(playbook, variables, settled)
    ready: list[PlannedCall] = []
    open_keys: set[str] = set()
    for call in playbook.calls:
        if call.key in settled:
            continue
        if _refers(call, open_keys):
            break
        if call.when and Expression.compile(call.when).value(known) is not True:
            continue
        if call.tool is None:
            if ready:
                break
            said = Template.compile(call.stop or "").render(known)
            return Finished(said, f"the plan ends at {call.key!r}")
        if call.tool not in reads:
            if not ready:
                ready.append(_planned(playbook, call, known))
            break
        ready.append(_planned(playbook, call, known))
        open_keys.add(call.key)
    if ready:
        return Calls(tuple(ready))
    return Finished(None, "every call of the plan is settled")


def reply(
    playbook: PlaybookSpec, variables: Mapping[str, Any], results: Collection[ActionResult]
) -> str | None:
    """Return the playbook's answer for these results, or None if no wording applies."""
    known = _with_results(playbook, variables, {r.key: r for r in results})
    for wording in playbook.reply:
        if wording.when is None or Expression.compile(wording.when).value(known) is True:
            return Template.compile(wording.text).render(known)
    return None


def _with_results(
    playbook: PlaybookSpec, variables: Mapping[str, Any], settled: Mapping[str, ActionResult]
) -> dict[str, Any]:
    outputs: dict[str, Any] = {c.key: None for c in playbook.calls}
    outputs.update(variables.get("results") or {})
    outputs.update({k: r.output for k, r in settled.items() if r.status == "done"})
    return {**variables, "results": outputs}


def _planned(playbook: PlaybookSpec, call: CallSpec, known: Mapping[str, Any]) -> PlannedCall:
    arguments = {name: _value(raw, known) for name, raw in call.arguments.items()}
    given = {n: v for n, v in arguments.items() if v is not None}
    why = call.why or f"step {call.key!r} of playbook {playbook.name!r}"
    return PlannedCall(call.key, call.tool or "", given, why)


def _value(raw: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(raw, str) and raw.startswith("="):
        return Expression.compile(raw[1:]).value(known)
    return raw


def _refers(call: CallSpec, keys: Collection[str]) -> bool:
    texts = [call.when or "", call.stop or "", *(str(v) for v in call.arguments.values())]
    used = {
        m for t in texts for m in re.findall(r"results\.(\w+)|results\[['\"](\w+)", t) for m in m
    }
    return bool(used & set(keys))
