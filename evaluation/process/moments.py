"""Times as foreign logs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["read_moment"]

_FORMS = (
    (re.compile(r"\d{4}/\d{1,2}/\d{1,2}"), "%Y/%m/%d"),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}"), "%d.%m.%Y"),
    (re.compile(r"\d{1,2}-\d{1,2}-\d{4}"), "%d-%m-%Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %H:%M:%S%z", " %H:%M:%S.%f%z")
_FRACTION = re.compile(r"(\.\d{6})\d+")


def read_moment(text: str, form: str | None = None) -> datetime:
    """Return a time; one without a zone is taken for UTC.

    ISO 8601 in its usual spellings, `2026/10/31 14:05`, `31.10.2026 14:05` and `31-10-2026 14:05`
    are read. With slashes and the year behind them, day and month cannot be told apart: give the
    form, as `datetime.strptime` takes it.

    >>> read_moment("31.10.2026 14:05").isoformat()
    '2026-10-31T14:05:00+00:00'
    >>> read_moment("10/31/2026 14:05", "%m/%d/%Y %H:%M").isoformat()
    '2026-10-31T14:05:00+00:00'

    Raises:
        ValueError: it is no time that is read without doubt.
    """
    text = _FRACTION.sub(r"\1", text.strip())
    found = datetime.strptime(text, form) if form else _known(text)
    return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).astimezone(UTC)


def _known(text: str) -> datetime:
    for pattern, date in _FORMS:
        if pattern.match(text):
            for time in _TIMES:
                try:
                    return datetime.strptime(text, date + time)
                except ValueError:
                    continue
    if re.fullmatch(r"\d{1,2}/\d{1,2}/\d{4}.*", text):
        raise ValueError("day and month cannot be told apart; give the form of the times")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("it is no time that can be read") from None
