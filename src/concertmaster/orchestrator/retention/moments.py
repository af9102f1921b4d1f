"""The time in a checkpoint's id: ids are UUIDs of version 6, which sort by when they were made."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["first_id_at"]

_CALENDAR = datetime(1582, 10, 15, tzinfo=UTC)
"""Where the time of a UUID begins (RFC 9562, section 5.6), counted in steps of 100 ns."""


def first_id_at(moment: datetime) -> str:
    """Return the smallest id that a checkpoint of this moment can have; older ones are smaller.

    >>> first_id_at(datetime(2026, 1, 1, tzinfo=UTC))
    '1f0e6a4d-0c3c-6000-8000-000000000000'
    """
    passed = moment - _CALENDAR
    steps = (passed.days * 86400 + passed.seconds) * 10**7 + passed.microseconds * 10
    high, low = divmod(steps, 2**12)
    first, second = divmod(high, 2**16)
    return f"{first:08x}-{second:04x}-6{low:03x}-8000-000000000000"
