"""What the gate decided, with its reason. Absence of a rule denies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from concertmaster.contracts.base import Record
from concertmaster.contracts.deadline import Deadline
from concertmaster.contracts.provenance import Provenance

__all__ = ["Allow", "Decision", "Deny", "Duty", "Notify", "Redact", "Review", "ReviewNeed"]


class ReviewNeed(Record):
    """`count` different people with `role` must approve."""

    role: str
    count: int = Field(default=1, ge=1)


class Redact(Record):
    """The field of this name is taken out of the call's result before anything sees it."""

    kind: Literal["redact"] = "redact"
    field: str


class Notify(Record):
    """The people with this role are told that the call took place."""

    kind: Literal["notify"] = "notify"
    role: str


Duty = Annotated[Redact | Notify, Field(discriminator="kind")]
"""What must happen besides if the call runs. Other obligations are needs and their deadline."""


class _Decided(Record):
    """What every decision records: the call, the rules that decided, their bundle, the origins.

    `basis` is the digest of what it rested on, where that is kept.
    """

    call: str
    policies: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    bundle: str = ""
    provenance: Provenance | None = None
    basis: str = ""


class Allow(_Decided):
    """The call may run now."""

    kind: Literal["allow"] = "allow"
    duties: tuple[Duty, ...] = ()


class Review(_Decided):
    """The call may run once every need is met by an approval bound to it.

    People have until `deadline` for that; as long as they like without one.
    """

    kind: Literal["review"] = "review"
    needs: tuple[ReviewNeed, ...] = Field(min_length=1)
    deadline: Deadline | None = None
    duties: tuple[Duty, ...] = ()


class Deny(_Decided):
    """The call must not run."""

    kind: Literal["deny"] = "deny"


Decision = Annotated[Allow | Review | Deny, Field(discriminator="kind")]
