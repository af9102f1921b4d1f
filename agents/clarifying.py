"""The question when two intents are close, and which of them an answer chooses. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from concertmaster.contracts.spec import IntentSpec, WorkspaceSpec

if TYPE_CHECKING:
    from concertmaster.models.classifier import Scores

__all__ = ["CLARIFY", "called", "chosen_of", "margin_of", "question"]

CLARIFY = "Do you mean {options}? A number or a few words are enough."
"""Wording that a workspace may replace under `messages: {clarify: …}`."""

_NUMBER = re.compile(
    r"^\W*(?:(?:option|number|the|no\.?)\s+)?(1|2|one|two|first|second|former|latter)"
    r"(?:st|nd)?(?:\s+one)?(?:\s+please)?\W*$",
    re.IGNORECASE,
)
_FIRST = frozenset({"1", "one", "first", "former"})
_NEITHER = re.compile(r"^\W*(neither|none|nothing|no)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_IDLE = frozenset(
    "a an and are about be can do for i in is it like mean meant my of on one or please that the"
    " this to want was with would you".split()
)
_LEAD = 2.0


def margin_of(spec: WorkspaceSpec, learned: float) -> float:
    """Return the lead below which to ask: as declared, or as the utterances say."""
    declared = spec.intents.clarify
    if isinstance(declared, bool):
        return learned if declared else 0.0
    return declared


def called(intent: IntentSpec) -> str:
    """Return what people are told an intent is: its description, else its name in words."""
    told = intent.description.strip().rstrip(".") or intent.name.replace("_", " ")
    return told[:1].lower() + told[1:] if told[1:2].islower() or told[:2] == "A " else told


def question(spec: WorkspaceSpec, options: Sequence[str]) -> str:
    """Return the question which of the intents is meant."""
    listed = " or ".join(f"({n}) {called(spec.intent(o))}" for n, o in enumerate(options, start=1))
    return (spec.workflow.messages.get("clarify") or CLARIFY).replace("{options}", listed)


def chosen_of(
    text: str, options: Sequence[str], spec: WorkspaceSpec, scores: Scores
) -> str | Literal[False] | None:
    """Return the option that an answer chooses; False if none of them, None if it does not tell.

    A number, the words of one option's name or description, or a paraphrase: a message that the
    classifier reads as one of the options at least twice as likely as the other.
    """
    number = _NUMBER.match(text)
    if number is not None:
        at = 0 if number.group(1).lower() in _FIRST else 1
        return options[at] if at < len(options) else None
    if _NEITHER.match(text):
        return False
    named = _named(text, {o: spec.intent(o) for o in options})
    if named is not None:
        return named
    likely = dict(scores.ranked)
    first, *rest = sorted(options, key=lambda o: -likely.get(o, 0.0))
    leads = all(likely.get(first, 0.0) >= _LEAD * likely.get(o, 0.0) for o in rest)
    top = scores.ranked[0][0] if scores.ranked else None
    return first if leads and (top == first and scores.in_scope) else None


def _named(text: str, options: Mapping[str, IntentSpec]) -> str | None:
    """Return the one option that the answer's words stand for alone."""
    said = _words(text)
    if not said:
        return None
    known = {o: _words(f"{o.replace('_', ' ')} {spec.description}") for o, spec in options.items()}
    shared = frozenset.intersection(*known.values())
    telling = said - shared
    fitting = [o for o, words in known.items() if telling and telling <= words]
    return fitting[0] if len(fitting) == 1 else None


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - _IDLE
