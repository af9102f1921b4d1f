"""Moments as people write them in options: an age back from now, or a date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from concertmaster.errors import ConfigError

__all__ = ["moment"]


def moment(text: str, option: str, now: datetime | None = None) -> str:
    """Return a moment as the trail stores it: `30d` is an age, `2026-10-01` a date in UTC.

    >>> moment("2026-10-01", "--since")
    '2026-10-01T00:00:00.000000Z'
    >>> moment("12h", "--since", datetime(2026, 10, 2, tzinfo=UTC))
    '2026-10-01T12:00:00.000000Z'

    Raises:
        ConfigError: it is neither.
    """
    from concertmaster.contracts.retention import read_age

    try:
        found = (now or datetime.now(UTC)) - timedelta(seconds=read_age(text))
    except (ValueError, OverflowError):
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigError(
                f"{option}: {text[:40]!r} is neither an age nor a date",
                hint="write 30d, 12h, 2026-10-01 or 2026-10-01T08:00:00+02:00",
            ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return found.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
