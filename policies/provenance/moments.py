"""Dates and times in words: ISO, `26.05.2024`, `May 26th`, `05/26/2024`, `2:30pm`.

A date of which nobody can tell the day from the month (`05/06/2024`) is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

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
_NAME = "(?P<m>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
# Each begins with a digit or a name, for which the scan is fast; what stands before comes second.
_DATES = tuple(
    map(
        re.compile,
        (
            r"(?P<y>\d(?<![\w.-]\d)\d{3})[-/](?P<m>\d{1,2})[-/](?P<d>\d{1,2})"
            r"(?=t\d|(?!\w)(?![-/.]\w))",
            r"(?P<d>\d(?<![\w.]\d)\d?)\.[ ]?(?P<m>\d{1,2})\.[ ]?(?P<y>\d{4}|\d{2})(?!\w)(?!\.\w)",
            r"(?P<a>\d(?<![\w/.-]\d)\d?)([/-])(?P<b>\d{1,2})\2(?P<y>\d{4})(?!\w)(?![/-]\w)",
            r"(?P<d>\d(?<![\w.:,/-]\d)\d?)(?:st|nd|rd|th)?\.?[ -](?:of[ ])?"
            rf"{_NAME}(?:,?[ -](?P<y>\d{{4}})(?!\w))?",
        ),
    )
)
_DAY_BEHIND_WORD = re.compile(
    r"(?P<d>\d(?<=[a-z.][ -]\d)\d?)(?:st|nd|rd|th)?(?!\w)(?![:.]\w)"
    r"(?:(?:,[ ]?|[ ]|-)(?P<y>\d{4})(?!\w))?"
)
_MONTH_BEFORE = re.compile(rf"\b{_NAME}[ -](?:the[ ])?$")
_MONTH_ROOM = 16
_TIME = re.compile(
    r"(?P<h>\d(?:(?<![\w:.]\d)|(?<=\dt\d))\d?)"
    r"(?::(?P<m>\d{2})(?::(?P<s>\d{2})(?:\.\d+)?)?)?(?:[ ]?(?P<half>[ap])\.?m\b\.?)?(?![:\d])"
)
_NAMED_TIMES = {"noon": (12, 0, 0), "midnight": (0, 0, 0)}
_NAMED_TIME = re.compile(r"\b(?:noon|midnight)\b")
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
    for pattern in _DATES:
        for match in pattern.finditer(text):
            yield from _valid(_day(match.groupdict()), match.span())
    for match in _DAY_BEHIND_WORD.finditer(text):
        room = max(0, match.start() - _MONTH_ROOM)
        month = _MONTH_BEFORE.search(text, room, match.start())
        if month:
            parts = {**match.groupdict(), "m": month["m"]}
            yield from _valid(_day(parts), (month.start(), match.end()))


def _valid(day: Day | None, span: tuple[int, int]) -> Iterator[tuple[Day, tuple[int, int]]]:
    if day and 1 <= day[1] <= 12 and 1 <= day[2] <= _LENGTHS[day[1] - 1]:
        yield day, span


def _day(parts: Mapping[str, str | None]) -> Day | None:
    year = int(parts["y"] or 0)
    if "a" in parts:
        first, second = int(parts["a"] or 0), int(parts["b"] or 0)
        if first == second or second > 12:
            return year, first, second
        return (year, second, first) if first > 12 else None
    month, day = parts["m"] or "", int(parts["d"] or 0)
    if 0 < year < 100:
        year += 2000
    return year, _MONTHS.get(month) or int(month), day


def _times(text: str) -> Iterator[tuple[Time, tuple[int, int]]]:
    for match in _TIME.finditer(text):
        half = match["half"]
        if not match["m"] and not half:
            continue
        hour, minute, second = int(match["h"]), int(match["m"] or 0), int(match["s"] or 0)
        if half:
            if not 1 <= hour <= 12:
                continue
            hour = hour % 12 + (12 if half == "p" else 0)
        if hour < 24 and minute < 60 and second < 60:
            yield (hour, minute, second), match.span()
    if "noon" in text or "midnight" in text:
        for match in _NAMED_TIME.finditer(text):
            yield _NAMED_TIMES[match[0]], match.span()
