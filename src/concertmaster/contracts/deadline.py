"""How long a call waits for people, and who has taken it on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from concertmaster.contracts.base import Record

__all__ = ["AtDeadline", "Claim", "Deadline", "Moment", "utc"]

_ESCALATE = "escalate:"


def utc(moment: datetime) -> str:
    """Return a moment as it is stored: in UTC, so that stored moments compare as texts."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _stored(value: str) -> str:
    if utc(datetime.fromisoformat(value)) != value:
        raise ValueError(f"{value[:40]!r} is no moment in UTC to the microsecond")
    return value


def _consequence(value: str) -> str:
    if value != "reject" and not re.fullmatch(r"escalate:[A-Za-z0-9_-]{1,64}", value):
        raise ValueError("write `reject` or `escalate:ROLE`")
    return value


Moment = Annotated[str, AfterValidator(_stored)]
"""A stored moment, in UTC."""

AtDeadline = Annotated[str, AfterValidator(_consequence)]
"""What happens when nobody has decided in time: `reject`, or `escalate:ROLE`."""


class Deadline(Record):
    """A call waits this many seconds for people, then the consequence follows.

    Whoever it is escalated to has as long again, but not past `end`, which counts in seconds from
    the beginning, too: a later deadline that rejects is kept by an earlier one that escalates.

    >>> Deadline(seconds=3600, then="escalate:manager").role
    'manager'
    """

    seconds: float = Field(gt=0, le=366 * 86400)
    then: AtDeadline = "reject"
    end: float | None = Field(default=None, gt=0, le=366 * 86400)

    @property
    def role(self) -> str | None:
        """The role that decides after the deadline; None if the call is rejected."""
        return self.then.removeprefix(_ESCALATE) if self.then.startswith(_ESCALATE) else None

    @property
    def again(self) -> Deadline:
        """How long whoever it is escalated to has; nobody comes after them."""
        left = self.seconds if self.end is None else self.end - self.seconds
        return Deadline(seconds=min(self.seconds, left))

    def due(self, since: datetime) -> str:
        """Return when it is over."""
        return utc(since + timedelta(seconds=self.seconds))

    @model_validator(mode="after")
    def _end_comes_later(self) -> Self:
        if self.end is not None and (self.role is None or self.end <= self.seconds):
            raise ValueError("an `end` comes after a deadline that escalates")
        return self


class Claim(Record):
    """Somebody has taken one slot of a role on, until a moment."""

    by: str
    role: str
    at: Moment
    until: Moment
