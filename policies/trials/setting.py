"""What a written call is tried in: the tools, steps, people and policies of a workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from concertmaster.contracts import (
    Confidentiality,
    Decision,
    Deny,
    History,
    Label,
    Past,
    Principal,
    ToolShape,
    Trust,
)
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.errors import ToolError
from concertmaster.policies.call import Call
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Gate
from concertmaster.policies.provenance import Source, Sources
from concertmaster.policies.trials.cases import CallCase, CaseError, completed

__all__ = ["Setting", "StepRules", "Trial", "call_of", "near", "try_out"]

_LISTED = 8
_AGENT = "agent"


@dataclass(frozen=True, kw_only=True)
class StepRules:
    """What a step says of its calls: the tools it may use, and its review point."""

    tools: tuple[str, ...]
    review: ReviewSpec = field(default_factory=ReviewSpec)


def _as_given(_: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return arguments


def _nothing(_: str, __: Any) -> Any:
    return None


def _no_constants(_: str | None) -> tuple[Source, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where calls are tried out.

    Args:
        engine: the policies.
        shapes: the tools by name.
        workspace: its name, as policies see it.
        steps: the steps that call tools, by id; empty if there are none, and then every tool may
            be called.
        people: the principals that can be named by id.
        intents: the tools that each intent declares.
        validate: brings a tool's arguments into the form in which they would run; raises
            `ToolError` for what does not fit.
        endorsed: the part of a tool's output that is trusted, or None.
        constants: what the workspace's owner wrote into the playbooks of an intent.
    """

    engine: PolicyEngine
    shapes: Mapping[str, ToolShape]
    workspace: str = _AGENT
    steps: Mapping[str, StepRules] = field(default_factory=dict)
    people: Mapping[str, Principal] = field(default_factory=dict)
    intents: Mapping[str, frozenset[str]] = field(default_factory=dict)
    validate: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = _as_given
    endorsed: Callable[[str, Any], Any] = _nothing
    constants: Callable[[str | None], tuple[Source, ...]] = _no_constants

    @property
    def effects(self) -> frozenset[str]:
        """The tools that change the world."""
        return frozenset(name for name, shape in self.shapes.items() if shape.consequential)

    def principal_of(self, case: CallCase) -> Principal:
        """Return on whose behalf a call is.

        Raises:
            CaseError: nobody is known by this id.
        """
        if isinstance(case.principal, Principal):
            return case.principal
        known = self.people.get(case.principal)
        if known is not None:
            return known
        error = _unknown("principal", "principal", case.principal, self.people)
        if not self.people:
            error.hint = f"write a whole one: {{id: {case.principal}, roles: […]}}"
        raise error

    def step_of(self, case: CallCase) -> tuple[str, StepRules]:
        """Return the step that proposes a call: the named one, or the first that lists its tool.

        Raises:
            CaseError: there is no step of this name.
        """
        if case.step is not None and case.step not in self.steps and self.steps:
            raise _unknown("step", "step that calls tools", case.step, self.steps)
        if not self.steps:
            return case.step or _AGENT, StepRules(tools=tuple(self.shapes))
        listing = (name for name, rules in self.steps.items() if case.tool in rules.tools)
        chosen = case.step or next(listing, next(iter(self.steps)))
        return chosen, self.steps[chosen]


@dataclass(frozen=True)
class Trial:
    """A call that was tried out. `call` is None if its arguments do not fit the tool."""

    decision: Decision
    call: Call | None


def try_out(case: CallCase, setting: Setting, *, facts_error: str | None = None) -> Trial:
    """Return the gate's decision for a written call.

    Args:
        case: the call.
        setting: where it is tried.
        facts_error: why its facts could not be looked up; the call is then denied.

    Raises:
        CaseError: it names a step, principal, intent or fact that does not exist.
    """
    call = replace(call_of(case, setting), facts_error=facts_error)
    if call.tool in setting.shapes:
        try:
            fitting = setting.validate(call.tool, call.arguments)
        except ToolError as error:
            return Trial(Deny(call="", reasons=(error.message,)), None)
        call = replace(call, arguments=fitting)
    gate = Gate(setting.engine, setting.shapes, setting.workspace)
    return Trial(gate.decide(call), call)


def call_of(case: CallCase, setting: Setting) -> Call:
    """Return the gate's question for a written call, its arguments as written.

    Raises:
        CaseError: it names a step, principal, intent or fact that does not exist.
    """
    _check_facts(case, setting)
    step, rules = setting.step_of(case)
    who = setting.principal_of(case)
    if case.intent is not None and setting.intents and case.intent not in setting.intents:
        raise _unknown("intent", "intent", case.intent, setting.intents)
    return Call(
        tool=case.tool,
        arguments=case.arguments,
        principal=who,
        step=step,
        allowed=rules.tools,
        review=rules.review,
        facts=case.facts,
        intent=case.intent,
        label=_label(case, setting, who),
        sources=_sources(case, setting, who),
        history=_history(case, setting),
        offered=setting.intents.get(case.intent or "", frozenset()),
    )


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint for a name that is unknown: the one most like it, or those that there are."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    more = ", …" if len(names) > _LISTED else ""
    return f"there are {', '.join(names[:_LISTED])}{more}" if names else "none is declared"


def _check_facts(case: CallCase, setting: Setting) -> None:
    """Refuse facts that no resolver finds: policies would not see them."""
    shape = setting.shapes.get(case.tool)
    if shape is None or not case.facts:
        return
    declared = (shape.facts or {}).get("properties") or {}
    for name in case.facts:
        if name not in declared:
            told = f"{case.tool} has no fact {name!r}"
            raise CaseError(f"facts.{name}", told, hint=near(name, declared))


def _sources(case: CallCase, setting: Setting, who: Principal) -> Sources:
    """Return the places that a desk would look at: words, constants, documents, results."""
    found = [Source(f"message {n}", "principal", text) for n, text in enumerate(case.said, 1)]
    known = {"id": who.id, "name": who.name, "tenant": who.tenant}
    found += [Source("the caller", "trusted", known), *setting.constants(case.intent)]
    found += [Source(f"document {n}", "trusted", text) for n, text in enumerate(case.documents, 1)]
    for number, result in enumerate(case.results, 1):
        at = f"result {number} of {result.tool}"
        part = setting.endorsed(result.tool, result.output)
        if part is not None:
            found.append(Source(f"{at}, endorsed", "trusted", part))
        found.append(Source(at, "untrusted", result.output))
    return Sources(*found)


def _label(case: CallCase, setting: Setting, who: Principal) -> Label:
    label = Label(trust=Trust(int(who.authenticated)), confidentiality=Confidentiality.public)
    for number, result in enumerate(case.results):
        shape = setting.shapes.get(result.tool)
        if shape is None:
            raise _unknown(f"results.{number}.tool", "tool", result.tool, setting.shapes)
        own = Label(trust=shape.trust, confidentiality=shape.label, sources=(shape.name,))
        label = label.join(own)
    return case.label.over(label) if case.label else label


def _history(case: CallCase, setting: Setting) -> History:
    if case.history is not None:
        for part in ("run", "thread"):
            for name in sorted(getattr(case.history, part).done - set(setting.shapes)):
                raise _unknown(f"history.{part}.done", "tool", name, setting.shapes)
        return completed(case.history, setting.effects)
    tools = [result.tool for result in case.results]
    past = Past(
        done=frozenset(tools),
        calls=len(tools),
        consequential=sum(tool in setting.effects for tool in tools),
    )
    return History(run=past, thread=past)


def _unknown(key: str, noun: str, name: str, known: Iterable[str]) -> CaseError:
    return CaseError(key, f"there is no {noun} {name!r}", hint=near(name, known))
