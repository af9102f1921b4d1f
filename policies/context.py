"""What policies see of a call: Cedar's `context`, made from typed records and nothing else."""

from __future__ import annotations

from typing import Any

from concertmaster.contracts import History, Past, Provenance, ToolShape
from concertmaster.policies.call import Call
from concertmaster.policies.lowering import NotLowered, lower, refuse_hostile
from concertmaster.policies.schema import Vocabulary

__all__ = ["content_trusted", "context_of", "targets_trusted"]


def context_of(
    call: Call, provenance: Provenance, shape: ToolShape, words: Vocabulary, workspace: str
) -> dict[str, Any]:
    """Return the context in Cedar's JSON form.

    Raises:
        NotLowered: a value has no place in it, an argument is not declared, facts are missing.
    """
    arguments, facts = words.arguments[call.tool], words.facts[call.tool]
    if call.facts is None and facts.names:
        raise NotLowered("its facts were not looked up")
    refuse_hostile(call.arguments)
    for name in call.arguments:
        if name not in arguments.names:
            raise NotLowered("an argument is not declared by the tool")
    context: dict[str, Any] = {
        "args": lower(arguments, call.arguments, noun="argument"),
        "facts": lower(facts, call.facts or {}, noun="fact"),
        "step": _text(call.step, "step"),
        "workspace": _text(workspace, "workspace"),
        "label": {
            "trusted": bool(call.label.trust),
            "confidentiality": call.label.confidentiality.name,
            "cleared": call.label.confidentiality <= shape.clearance,
        },
        "provenance": _provenance(provenance, shape, arguments.names),
        "history": _history(call.history),
    }
    if call.intent is not None:
        context["intent"] = _text(call.intent, "intent")
    return context


def targets_trusted(provenance: Provenance, shape: ToolShape) -> bool:
    """Tell whether whom and what a call reaches stands in trusted places only.

    A tool that names no targets has all of its arguments for targets.
    """
    unproven = provenance.unproven()
    return not (unproven if shape.targets is None else unproven.intersection(shape.targets))


def content_trusted(provenance: Provenance, shape: ToolShape) -> bool:
    """Tell whether every address, link and account number inside of longer texts is proven."""
    carried = provenance.unproven(embedded=True)
    return shape.targets is None or not carried.difference(shape.targets)


def _provenance(
    provenance: Provenance, shape: ToolShape, declared: frozenset[str]
) -> dict[str, Any]:
    others = provenance.arguments("trusted", "untrusted", "composed")
    return {
        # Of these, no value was chosen among the records that a trusted source lists.
        "principal": sorted(declared - others),
        "trusted": sorted(declared - provenance.unproven()),
        "untrusted": sorted(provenance.arguments("untrusted")),
        "composed": sorted(provenance.arguments("composed")),
        "targets_trusted": targets_trusted(provenance, shape),
        "content_trusted": content_trusted(provenance, shape),
        "asked": provenance.asked,
    }


def _history(history: History) -> dict[str, Any]:
    return {"run": _past(history.run), "thread": _past(history.thread)}


def _past(past: Past) -> dict[str, Any]:
    return {
        "done": sorted(past.done),
        "calls": past.calls,
        "consequential": past.consequential,
        "refused": past.refused,
    }


def _text(value: object, noun: str) -> str:
    """Return the value if it is text; a policy that does not read it leaves this unchecked."""
    if not isinstance(value, str):
        raise NotLowered(f"the {noun} is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotLowered(f"the {noun} is no text") from None
    return value
