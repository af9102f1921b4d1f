"""Expressions say what they were meant to: functions, bound names and values exist."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import get_args

from concertmaster.contracts import Principal
from concertmaster.contracts.action import ActionStatus
from concertmaster.contracts.spec import TERMINALS, PlaybookSpec
from concertmaster.graphs.checks.expressions import check_condition
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.conditions import Values, flaws
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.view import PLAYBOOK_FIELDS, ROUTE_FIELDS, RULE_FIELDS, RouteView
from concertmaster.policies.conditions import (
    Condition,
    ConditionError,
    Expression,
    Fields,
    Template,
)

__all__ = ["check_first_hop", "check_references"]


@dataclass(frozen=True, kw_only=True)
class _Written:
    """An expression where it stands; `later` are results that are not there yet."""

    place: Place
    whose: str
    text: str
    fields: Fields
    values: Values = field(default_factory=dict)
    later: frozenset[str] = frozenset()


def check_references(subject: Subject) -> Iterator[Problem]:
    """Look at what expressions that compile call, bind and compare with."""
    for written in (*_of_routes(subject), *_of_rules(subject), *_of_playbooks(subject)):
        plain = check_condition(subject, written.place, written.text, written.fields, "")
        if any(not _names_later(written, problem.message) for problem in plain):
            continue  # Told where its plain paths are looked at.
        for flaw in flaws(written.text, written.fields, written.values):
            message, hint = flaw.message, flaw.hint
            if _names_later(written, message):
                message = message.replace("which does not exist", "which is not there yet")
                hint = "a call can use the results of the calls above it"
            code = "condition" if flaw.kind == "name" else "condition-value"
            yield subject.error(written.place, code, f"{written.whose}: {message}", hint)


def _names_later(written: _Written, message: str) -> bool:
    return any(f"names 'results.{key}'" in message for key in written.later)


def _of_routes(subject: Subject) -> Iterator[_Written]:
    values = _values(subject)
    for index, route in enumerate(subject.workflow.routes):
        if route.when is not None:
            yield _Written(
                place=("workflow", "routes", index, "when"),
                whose=f"route {index + 1}",
                text=route.when,
                fields=ROUTE_FIELDS,
                values=values,
            )


def _values(subject: Subject) -> Values:
    """Return the texts that a route can rightly ask for, by the path of the name."""
    spec = subject.workspace.spec
    values: dict[str, Collection[str]] = {
        "intent.method": ("linear", "predictor", "model", "thread", "single"),
        "verdict.status": ("pass", "revise", "escalate"),
        "draft.method": ("model", "extractive", "template"),
        "done[]": subject.steps,
        "failed_step": subject.steps,
        "failed_fallback": subject.steps | set(TERMINALS),
        "actions[].step": subject.steps,
        "actions[].status": get_args(ActionStatus),
    }
    named: Mapping[str, Collection[str]] = {
        "intent.name": {i.name for i in spec.intents.intents},
        "intent.playbook": {p.name for p in subject.playbooks},
        "actions[].tool": subject.workspace.toolbox.names,
    }
    # Where nothing is declared there is another finding, or the file could not be read.
    return values | {path: names for path, names in named.items() if names}


def _of_rules(subject: Subject) -> Iterator[_Written]:
    for index, rule in enumerate(subject.workflow.rules):
        yield _Written(
            place=("workflow", "rules", index, "check"),
            whose=f"rule {rule.id!r}",
            text=rule.check,
            fields=RULE_FIELDS,
        )


def _of_playbooks(subject: Subject) -> Iterator[_Written]:
    for index, playbook in enumerate(subject.playbooks):
        at: Place = ("playbooks", "playbooks", index)
        others = {c.key for p in subject.playbooks if p is not playbook for c in p.calls}
        keys: list[str] = []
        for n, call in enumerate(playbook.calls):
            later = frozenset(c.key for c in playbook.calls[n:]) - set(keys) - others
            fields = _fields(playbook, {*keys, *others})
            texts = [("when", e) for e in [call.when] if e is not None]
            texts += [("stop", e) for e in _placeholders(call.stop)]
            for key, text in texts:
                yield _Written(
                    place=(*at, "calls", n, key),
                    whose=f"call {call.key!r} of playbook {playbook.name!r}",
                    text=text,
                    fields=fields,
                    later=later,
                )
            for name, value in call.arguments.items():
                if isinstance(value, str) and value.startswith("="):
                    yield _Written(
                        place=(*at, "calls", n, "arguments", name),
                        whose=f"call {call.key!r} of playbook {playbook.name!r}",
                        text=value[1:],
                        fields=fields,
                        later=later,
                    )
            keys.append(call.key)
        yield from _of_replies(playbook, at, _fields(playbook, {*keys, *others}))


def _of_replies(playbook: PlaybookSpec, at: Place, fields: Fields) -> Iterator[_Written]:
    for n, reply in enumerate(playbook.reply):
        texts = [("when", e) for e in [reply.when] if e is not None]
        texts += [("text", e) for e in _placeholders(reply.text)]
        for key, text in texts:
            yield _Written(
                place=(*at, "reply", n, key),
                whose=f"reply {n + 1} of playbook {playbook.name!r}",
                text=text,
                fields=fields,
            )


def _fields(playbook: PlaybookSpec, results: Collection[str]) -> Fields:
    slots = dict.fromkeys(slot.name for slot in playbook.slots)
    return {**PLAYBOOK_FIELDS, "slots": slots, "results": dict.fromkeys(results)}


def _placeholders(text: str | None) -> list[str]:
    try:
        parts = Template.compile(text or "").parts
    except ConditionError:
        return []
    return [part.text for part in parts if isinstance(part, Expression)]


def check_first_hop(subject: Subject) -> Iterator[Problem]:
    """Try the routes on a request of which nothing is known yet, as the supervisor would."""
    somebody = Principal(id="somebody")
    principal = {
        **somebody.model_dump(exclude={"name"}),
        "authenticated": somebody.authenticated,
    }
    view = RouteView.model_validate({"principal": principal}).as_cel()
    for index, route in enumerate(subject.workflow.routes):
        if route.when is None:
            return
        try:
            condition = Condition.compile(route.when, ROUTE_FIELDS)
        except ConditionError:
            return
        try:
            if condition.holds(view):
                return
        except ConditionError as error:
            told = f"route {index + 1} fails on a new request: {error.message}"
            hint = "test first what may be null, such as intent != null && …"
            place = ("workflow", "routes", index, "when")
            yield subject.error(place, "condition-null", told, hint)
            return
