"""How long to wait before a model is asked again. Pure: the time and the draw come in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

__all__ = ["FIRST", "LONGEST", "PATIENT", "backoff", "pause_before", "retry_after"]

FIRST = 0.5
"""The longest first pause, in seconds; each further one may be twice as long."""

LONGEST = 8.0
"""The longest pause of one's own choosing."""

PATIENT = 5.0
"""The longest `Retry-After` that is waited for; for longer, the next model is asked instead."""


def backoff(failures: int, draw: float) -> float:
    """Return the pause after so many failures in a row: exponential, with full jitter.

    Whoever waits draws anywhere between nothing and the whole pause, so that those who failed
    together do not come back together. (Brooker, Exponential Backoff And Jitter, AWS, 2015.)

    Args:
        failures: 1 after the first.
        draw: uniform in [0, 1).

    >>> [backoff(n, 0.5) for n in (1, 2, 3, 20)]
    [0.25, 0.5, 1.0, 4.0]
    """
    return draw * min(FIRST * 2.0 ** min(failures - 1, 30), LONGEST)


def pause_before(failures: int, asked_for: float | None, draw: float) -> float | None:
    """Return the pause before the next attempt; None if the provider asks for too long a one.

    What the provider asks for is waited in full, with a first pause's jitter behind it.

    >>> pause_before(1, 2.0, 0.0), pause_before(1, 60.0, 0.0)
    (2.0, None)
    """
    if asked_for is None:
        return backoff(failures, draw)
    return None if asked_for > PATIENT else asked_for + backoff(1, draw)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return for how many seconds a provider asks to be left alone, None if it does not say.

    Both forms of RFC 9110, 10.2.3, and the milliseconds that some providers send. A time that has
    passed is 0; what is no time at all counts as nothing said.

    Args:
        headers: of the response; names in any case, if the mapping does not care either.
        now: seconds since the epoch.

    >>> retry_after({"retry-after": "7"}, 0.0)
    7.0
    >>> retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 45.0)
    15.0
    """
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return exact / 1000
    told = headers.get("retry-after")
    seconds = _number(told)
    if seconds is not None or not isinstance(told, str):
        return seconds
    try:
        return max(parsedate_to_datetime(told).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _number(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return max(value, 0.0) if math.isfinite(value) else None
