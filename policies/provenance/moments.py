"""Dates and times in words: ISO, `26.05.2024`, `May 26th`, `05/26/2024`, `2:30pm`.

A date of which nobody can tell the day from the month (`05/06/2024`) is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["Day", "Moment", "Time", "days", "moment_of", "times", "without_moments"]

Day = tuple[int, int, int]
"""Year, month, day. Year 0 stands for a date that names no year."""

Time = tuple[int, int, int]
"""Hour, minute, second."""

Moment = tuple[Day | None, Time | None]
"""A date, a time, or both."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun",
            "july jul", "august aug", "september sept sep", "october oct", "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_NAME = "(?P<{}>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_ISO = r"(?<![\w.-])(?P<y>\d{4})[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})(?=t\d|(?!\w)(?![-/.]\w))"
_POINTS = r"(?<![\w.])(?P<d2>\d{1,2})\.[ ]?(?P<m2>\d{1,2})\.[ ]?(?P<y2>\d{4}|\d{2})(?!\w)(?!\.\w)"
_SLASHES = r"(?<![\w/.-])(?P<a>\d{1,2})(?P<s>[/-])(?P<b>\d{1,2})(?P=s)(?P<y3>\d{4})(?!\w)(?![/-]\w)"
_DAY_FIRST = (
    r"(?<![\w.:,/-])(?P<d4>\d{1,2})(?:st|nd|rd|th)?\.?[ -](?:of[ ])?"
    + _NAME.format("m4")
    + r"(?:,?[ -](?P<y4>\d{4})(?!\w))?"
)
_MONTH_FIRST = (
    r"(?<!\w)"
    + _NAME.format("m5")
    + r"[ -](?:the[ ])?(?P<d5>\d{1,2})(?:st|nd|rd|th)?(?!\w)(?![:.]\w)"
    + r"(?:(?:,[ ]?|[ ]|-)(?P<y5>\d{4})(?!\w))?"
)
_DATE = re.compile("|".join((_ISO, _POINTS, _SLASHES, _DAY_FIRST, _MONTH_FIRST)))
_TIME = re.compile(
    r"(?:(?<![\w:.])|(?<=\dt))(?P<h>\d{1,2})(?::(?P<m>\d{2})(?::(?P<s>\d{2})(?:\.\d+)?)?)?"
    r"(?:[ ]?(?P<half>[ap])\.?m\b\.?)?(?![:\d])"
    r"|(?<!\w)(?P<word>noon|midnight)(?!\w)"
)
_FILLER = re.compile(r"(?:\b(?:at|on|t|utc|of)\b|z\b|\+00:?00|[\s,t])*")
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LONGEST = 60


def days(text: str) -> frozenset[Day]:
    """Return the dates of a folded text."""
    return frozenset(day for day, _ in _days(text))


def times(text: str) -> frozenset[Time]:
    """Return the times of a folded text."""
    return frozenset(time for time, _ in _times(text))


def moment_of(text: str) -> Moment | None:
    """Return the date and time of a folded text that is nothing else, or None."""
    if len(text) > _LONGEST or not any(char.isdigit() for char in text):
        return None
    found_days, found_times = list(_days(text)), list(_times(text))
    if len(found_days) > 1 or len(found_times) > 1 or not (found_days or found_times):
        return None
    if not _FILLER.fullmatch(without_moments(text)):
        return None
    return (
        found_days[0][0] if found_days else None,
        found_times[0][0] if found_times else None,
    )


def without_moments(text: str) -> str:
    """Return a folded text with a comma in place of each date and time."""
    spans = sorted(span for _, span in (*_days(text), *_times(text)))
    parts, last = [], 0
    for start, end in spans:
        parts += [text[last:start], " , "]
        last = max(last, end)
    return "".join((*parts, text[last:]))


def _days(text: str) -> Iterator[tuple[Day, tuple[int, int]]]:
    for match in _DATE.finditer(text):
        day = _day(match)
        if day and 1 <= day[1] <= 12 and 1 <= day[2] <= _LENGTHS[day[1] - 1]:
            yield day, match.span()


def _day(match: re.Match[str]) -> Day | None:
    if match["y"]:
        return int(match["y"]), int(match["m"]), int(match["d"])
    if match["y2"]:
        year = int(match["y2"])
        return year if year > 99 else 2000 + year, int(match["m2"]), int(match["d2"])
    if match["y3"]:
        first, second, year = int(match["a"]), int(match["b"]), int(match["y3"])
        if first == second or second > 12:
            return year, first, second
        return (year, second, first) if first > 12 else None
    if match["m4"]:
        return int(match["y4"] or 0), _MONTHS[match["m4"]], int(match["d4"])
    return int(match["y5"] or 0), _MONTHS[match["m5"]], int(match["d5"])


def _times(text: str) -> Iterator[tuple[Time, tuple[int, int]]]:
    for match in _TIME.finditer(text):
        if match["word"]:
            yield (12 if match["word"] == "noon" else 0, 0, 0), match.span()
            continue
        if not match["m"] and not match["half"]:
            continue
        hour, minute, second = int(match["h"]), int(match["m"] or 0), int(match["s"] or 0)
        if match["half"]:
            if not 1 <= hour <= 12:
                continue
            hour = hour % 12 + (12 if match["half"] == "p" else 0)
        if hour < 24 and minute < 60 and second < 60:
            yield (hour, minute, second), match.span()
