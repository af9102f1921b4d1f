"""How asking a model can fail: a closed union, on which retries, breakers and budgets decide."""

from __future__ import annotations

from typing import Literal

__all__ = ["AVAILABILITY", "UNASKED", "UNUSABLE", "ModelFailure"]

ModelFailure = Literal[
    "unreachable",  # no connection, or it broke off
    "timeout",  # no answer although it had its time
    "late",  # no answer, but there was little time left to give it
    "overloaded",  # 408, 409, 425, 429, 503, 529: later it may work
    "broken",  # another 5xx, or its library failed
    "denied",  # 401, 402, 403, or a quota that is used up
    "missing",  # 404: no such model or address
    "refused",  # 400, 422 and the like: this request will never do
    "too_long",  # more tokens than the model holds
    "declined",  # a content filter, or the model refuses to answer
    "malformed",  # an answer that cannot be used, also after it was asked for again
    "too_large",  # a reply larger than is read; it was cut off
    "resting",  # its breaker is open; it was not asked
    "limited",  # its declared rate is reached; it was not asked
    "unfit",  # no model fits, or this one may not be asked this; nor will it fit in a moment
]
"""The kinds of failure."""

AVAILABILITY: frozenset[ModelFailure] = frozenset(
    {"unreachable", "timeout", "overloaded", "broken", "denied", "missing"}
)
"""Those that say that the model cannot serve at present, whatever it is asked."""

UNUSABLE: frozenset[ModelFailure] = frozenset({"malformed", "too_large"})
"""Those at which it answered, but with nothing that can be used."""

UNASKED: frozenset[ModelFailure] = frozenset({"resting", "limited", "unfit"})
"""Those at which no request was sent."""
