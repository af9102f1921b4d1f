"""The duties that ride on a policy, from text to type."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import TypeAdapter, ValidationError

from concertmaster.contracts import Deadline, Duty, Notify, Redact, ReviewNeed
from concertmaster.contracts.written import Span

__all__ = [
    "KNOWN_FORMS",
    "Obligation",
    "merge_duties",
    "merge_needs",
    "parse_obligation",
    "split_obligations",
]

KNOWN_FORMS = (
    '"review:ROLE", "review:N-of:ROLE", "deadline:SPAN:reject", "deadline:SPAN:escalate:ROLE",'
    ' "redact:FIELD" or "notify:ROLE"'
)
"""The forms that are understood, for messages."""

Obligation = ReviewNeed | Deadline | Duty
"""What an obligation states: a review, until when it waits, or a duty when the call takes place."""

_REVIEW = re.compile(r"review:(?:([1-9][0-9]?)-of:)?([A-Za-z0-9_-]{1,64})")
_DEADLINE = re.compile(
    r"deadline:([0-9]{1,9}(?:\.[0-9]{1,3})?(?:s|m|h|d)):(reject|escalate:[A-Za-z0-9_-]{1,64})"
)
_REDACT = re.compile(r"redact:([A-Za-z_][A-Za-z0-9_-]{0,63})")
_NOTIFY = re.compile(r"notify:([A-Za-z0-9_-]{1,64})")
_SPAN: TypeAdapter[float] = TypeAdapter(Span)


def split_obligations(text: str) -> tuple[str, ...]:
    """Return the single obligations of an annotation, in which commas separate them."""
    return tuple(part.strip() for part in text.split(","))


def parse_obligation(text: str) -> Obligation | None:
    """Return what an obligation states, or None if it is not understood.

    >>> parse_obligation("review:2-of:risk")
    ReviewNeed(role='risk', count=2)
    >>> parse_obligation("redact:iban")
    Redact(kind='redact', field='iban')
    >>> parse_obligation("deadline:2h:escalate:manager").seconds
    7200.0
    """
    if match := _REVIEW.fullmatch(text):
        return ReviewNeed(role=match[2], count=int(match[1] or 1))
    if match := _DEADLINE.fullmatch(text):
        try:
            return Deadline(seconds=_SPAN.validate_python(match[1]), then=match[2])
        except ValidationError:  # no time at all, or more than a year
            return None
    if match := _REDACT.fullmatch(text):
        return Redact(field=match[1])
    if match := _NOTIFY.fullmatch(text):
        return Notify(role=match[1])
    return None


def merge_duties(duties: Iterable[Duty]) -> tuple[Duty, ...]:
    """Return each duty once, redactions first, in a stable order."""
    ordered = {duty.model_dump_json(): duty for duty in duties}
    return tuple(sorted(ordered.values(), key=lambda d: (d.kind != "redact", d.model_dump_json())))


def merge_needs(needs: Iterable[ReviewNeed]) -> tuple[ReviewNeed, ...]:
    """Return the union: one need a role, with the highest count, ordered by role."""
    counts: dict[str, int] = {}
    for need in needs:
        counts[need.role] = max(need.count, counts.get(need.role, 0))
    return tuple(ReviewNeed(role=role, count=counts[role]) for role in sorted(counts))
