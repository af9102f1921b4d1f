"""The section `retention:` of `workflow.yaml`: how long a home keeps what it holds.

Nothing is deleted that is not declared here, but for a thread's older checkpoints, which
`limits.checkpoints` bounds. Each bound is an upper one: what is beyond the age or beyond the count
goes, unless a promise still needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = [
    "SECTIONS",
    "Age",
    "ApprovalRetention",
    "ArtifactRetention",
    "CheckpointRetention",
    "MessageRetention",
    "PayloadRetention",
    "RetentionSpec",
    "RunRetention",
    "ThreadRetention",
    "age_in_words",
    "read_age",
]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
_WRITTEN = r"^[0-9]+(\.[0-9]+)? ?(s|m|h|d|w|y)$"
_LONGEST = 100 * _UNITS["y"]


def read_age(value: object) -> float:
    """Return an age in seconds: `90d`, `12h`, `2y`; a day has 24 hours, a year 365 days.

    A number without a unit is refused: nobody should lose in 90 seconds what was to stay 90 days.

    >>> read_age("90d") / 86400
    90.0

    Raises:
        ValueError: it is no age.
    """
    found = re.match(_WRITTEN, value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no age; write 12h, 30d, 8w or 2y")
    text = found.group().replace(" ", "")
    return float(text[:-1]) * _UNITS[text[-1]]


def age_in_words(seconds: float) -> str:
    """Return an age as it is written, in the largest unit that leaves no rest.

    >>> age_in_words(30 * 86400), age_in_words(5400)
    ('30d', '90m')
    """
    for unit in ("y", "d", "h", "m"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"


def _read(value: object) -> object:
    # What was read already: a copy of a section, or one built in Python from another.
    return value if isinstance(value, float) else read_age(value)


Age = Annotated[
    float,
    Field(gt=0, le=_LONGEST),
    BeforeValidator(_read, json_schema_input_type=Annotated[str, Field(pattern=_WRITTEN)]),
]
"""Seconds, written with a unit."""

_Count = Annotated[int, Field(ge=1, le=10_000_000)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            known = " or ".join(f"'{name}'" for name in type(self).model_fields)
            raise ValueError(f"nothing is bounded here; write {known}")
        return self


class CheckpointRetention(_Section):
    """States of a thread that can be travelled back to. The newest one always stays.

    `per_thread` stands in the place of `limits.checkpoints`.
    """

    per_thread: Annotated[int, Field(ge=1, le=10000)] | None = None
    after: Age | None = None


class ThreadRetention(_Section):
    """Whole threads, by the time since anything happened on them, and how many there are."""

    after: Age | None = None
    most: _Count | None = None


class RunRetention(_Section):
    """Runs that have ended, on threads that go on. The newest run of a thread always stays."""

    after: Age | None = None
    per_thread: _Count | None = None


class MessageRetention(_Section):
    """The words of messages and answers; that there was a run, whose, and how it ended, stays."""

    after: Age | None = None


class ArtifactRetention(_Section):
    """Large results of tools, by the time since a tool returned them last."""

    after: Age | None = None
    most: _Count | None = None


class ApprovalRetention(_Section):
    """Approvals that are settled, by the time since their run ended."""

    after: Age | None = None


class PayloadRetention(_Section):
    """The content of the trail's events. Their links stay, and the chain still verifies."""

    after: Age | None = None


class RetentionSpec(BaseModel):
    """How long what is kept; `every` is the time between two passes while a desk is open.

    >>> RetentionSpec(threads={"after": "90d"}).threads.after / 86400
    90.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoints: CheckpointRetention | None = None
    threads: ThreadRetention | None = None
    runs: RunRetention | None = None
    messages: MessageRetention | None = None
    artifacts: ArtifactRetention | None = None
    approvals: ApprovalRetention | None = None
    payloads: PayloadRetention | None = None
    every: Age = _UNITS["h"]

    @property
    def declared(self) -> tuple[str, ...]:
        """The sections that bound something."""
        return tuple(name for name in SECTIONS if getattr(self, name) is not None)

    def bounds(self) -> Iterator[tuple[str, str, float]]:
        """Yield every bound: section, name, value."""
        for section in self.declared:
            for name, value in getattr(self, section):
                if value is not None:
                    yield section, name, value


SECTIONS = tuple(name for name in RetentionSpec.model_fields if name != "every")
"""The kinds of things that retention knows."""
