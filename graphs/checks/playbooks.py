"""Playbooks: slots can be filled, calls fit their tools, expressions name what exists."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from concertmaster.contracts.spec import CallSpec, PlaybookSpec, SlotSpec, StepSpec
from concertmaster.graphs.checks.expressions import check_condition, check_template
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.view import PLAYBOOK_FIELDS
from concertmaster.policies.conditions import Fields

__all__ = ["check_playbooks"]

_PART = "playbooks"


def check_playbooks(subject: Subject) -> Iterator[Problem]:
    """Look at every playbook."""
    playbooks = subject.playbooks
    names = [(p.name, (_PART, _PART, i, "name")) for i, p in enumerate(playbooks)]
    yield from subject.twice(names, "playbook")
    results = dict.fromkeys(call.key for p in playbooks for call in p.calls)
    for index, playbook in enumerate(playbooks):
        at: Place = (_PART, _PART, index)
        fields = {
            **PLAYBOOK_FIELDS,
            "slots": dict.fromkeys(slot.name for slot in playbook.slots),
            "results": results,
        }
        yield from _slots(subject, playbook, at)
        yield from _calls(subject, playbook, at, fields)
        yield from _replies(subject, playbook, at, fields)
        yield from _allowlists(subject, playbook, at)


def _slots(subject: Subject, playbook: PlaybookSpec, at: Place) -> Iterator[Problem]:
    names = [(s.name, (*at, "slots", i, "name")) for i, s in enumerate(playbook.slots)]
    yield from subject.twice(names, "slot")
    for index, slot in enumerate(playbook.slots):
        place = (*at, "slots", index)
        whose = f"slot {slot.name!r} of playbook {playbook.name!r}"
        if slot.type == "enum" and not slot.values:
            hint = "list under `values` each value with the words for it"
            yield subject.error(place, "slot-values", f"{whose} has no values", hint)
        fault = _pattern_fault(slot)
        if fault:
            found = (*place, "pattern") if slot.pattern is not None else place
            hint = "write a regular expression whose first group is the value"
            yield subject.error(found, "slot-pattern", f"{whose}: {fault}", hint)


def _pattern_fault(slot: SlotSpec) -> str | None:
    if slot.pattern is None:
        return "text is found by a pattern, and there is none" if slot.type == "text" else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(slot.pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        return f"its pattern is no regular expression: {error}"
    return None


def _calls(
    subject: Subject, playbook: PlaybookSpec, at: Place, fields: Fields
) -> Iterator[Problem]:
    keys = [(c.key, (*at, "calls", i, "key")) for i, c in enumerate(playbook.calls)]
    yield from subject.twice(keys, "call")
    for index, call in enumerate(playbook.calls):
        place = (*at, "calls", index)
        whose = f"call {call.key!r} of playbook {playbook.name!r}"
        if call.when is not None:
            yield from check_condition(subject, (*place, "when"), call.when, fields, whose)
        if call.stop is not None:
            yield from check_template(subject, (*place, "stop"), call.stop, fields, whose)
        for name, value in call.arguments.items():
            if isinstance(value, str) and value.startswith("="):
                found = (*place, "arguments", name)
                yield from check_condition(subject, found, value[1:], fields, whose)
        yield from _arguments(subject, call, place, whose)


def _arguments(subject: Subject, call: CallSpec, place: Place, whose: str) -> Iterator[Problem]:
    if call.tool is None:
        return
    toolbox = subject.workspace.toolbox
    if call.tool not in toolbox:
        found = (*place, "tool")
        yield subject.unknown(found, "tool", call.tool, toolbox, whose)
        return
    schema = toolbox[call.tool].schema()
    takes = set(schema.get("properties", {}))
    closed = schema.get("additionalProperties") is False
    listed = f"it takes {', '.join(sorted(takes))}" if takes else "it takes none"
    for name in call.arguments:
        if closed and name not in takes:
            told = f"{whose}: {call.tool} has no argument {name!r}"
            yield subject.error((*place, "arguments", name), "call-arguments", told, listed)
    lacking = sorted(set(schema.get("required", ())) - set(call.arguments))
    if lacking:
        told = f"{whose}: {call.tool} also needs {', '.join(lacking)}"
        yield subject.error((*place, "arguments"), "call-arguments", told, listed)


def _replies(
    subject: Subject, playbook: PlaybookSpec, at: Place, fields: Fields
) -> Iterator[Problem]:
    for index, reply in enumerate(playbook.reply):
        place = (*at, "reply", index)
        whose = f"reply {index + 1} of playbook {playbook.name!r}"
        if reply.when is not None:
            yield from check_condition(subject, (*place, "when"), reply.when, fields, whose)
        yield from check_template(subject, (*place, "text"), reply.text, fields, whose)


def _allowlists(subject: Subject, playbook: PlaybookSpec, at: Place) -> Iterator[Problem]:
    """Find calls that no step which runs this playbook may make."""
    own = [s for s in subject.executors if s.playbook == playbook.name]
    by_intent = any(i.playbook == playbook.name for i in subject.workspace.spec.intents.intents)
    general = [s for s in subject.executors if s.playbook is None] if by_intent else []
    if general:
        # Which of them takes an intent's playbook is up to the routes; one that can is enough.
        own.append(min(general, key=lambda step: len(_lacking(subject, step, playbook))))
    for step in own:
        for index in _lacking(subject, step, playbook):
            tool = playbook.calls[index].tool
            told = f"playbook {playbook.name!r} calls {tool}, which step {step.id!r} may not use"
            hint = f"add it to the `tools` of step {step.id!r}, or take the call away"
            yield subject.error((*at, "calls", index, "tool"), "playbook-tool", told, hint)


def _lacking(subject: Subject, step: StepSpec, playbook: PlaybookSpec) -> list[int]:
    """Return the calls of a playbook whose tools a step may not use, unknown ones aside."""
    if step.tools is None:
        return []
    others = subject.workspace.toolbox.keys() - set(step.tools)
    return [index for index, call in enumerate(playbook.calls) if call.tool in others]
