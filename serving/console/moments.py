"""Times as people say them: how long ago, how long still. Pure."""

from __future__ import annotations

from datetime import datetime

__all__ = ["ago", "clock", "left", "seconds_between", "span"]

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def span(seconds: float) -> str:
    """Return a time in its two largest units.

    >>> span(3 * 3600 + 20 * 60 + 5), span(59), span(0.25)
    ('3 h 20 min', '59 s', '250 ms')
    """
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    rest, parts = int(seconds), []
    for size, unit in _UNITS:
        if rest >= size:
            parts.append(f"{rest // size} {unit}")
            rest %= size
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def seconds_between(earlier: str, later: str) -> float:
    """Return the seconds from one stored moment to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def ago(moment: str, now: str) -> str:
    """Return how long ago a moment was."""
    seconds = seconds_between(moment, now)
    return "just now" if seconds < 5 else f"{_one(seconds)} ago"


def left(due: str, now: str) -> str:
    """Return how long there still is, or for how long there is not."""
    seconds = seconds_between(now, due)
    return f"{span(seconds)} left" if seconds > 0 else f"overdue for {span(-seconds)}"


def clock(moment: str) -> str:
    """Return a stored moment to the minute.

    >>> clock("2026-01-02T10:04:05.000001+00:00")
    '2026-01-02 10:04 UTC'
    """
    return f"{moment[:16].replace('T', ' ')} UTC"


def _one(seconds: float) -> str:
    whole = int(seconds)
    for size, unit in _UNITS:
        if whole >= size:
            return f"{whole // size} {unit}"
    return "0 s"
