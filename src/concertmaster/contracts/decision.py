"""What the gate decided, with its reason. Absence of a rule denies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from concertmaster.contracts.base import Record

__all__ = ["Allow", "Decision", "Deny", "Obligation", "Review", "ReviewNeed"]


class ReviewNeed(Record):
    """`count` different people with `role` must approve."""

    role: str
    count: int = Field(default=1, ge=1)


class Obligation(Record):
    """A duty that rides on a policy, as written: `review:finance`, `review:2-of:risk`."""

    kind: Literal["review"]
    text: str
    policy: str


class _Decided(Record):
    """What every decision records: the call, the rules that decided, the bundle they came from."""

    call: str
    policies: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    bundle: str = ""


class Allow(_Decided):
    """The call may run now."""

    kind: Literal["allow"] = "allow"


class Review(_Decided):
    """The call may run once every need is met by an approval bound to it."""

    kind: Literal["review"] = "review"
    needs: tuple[ReviewNeed, ...] = Field(min_length=1)


class Deny(_Decided):
    """The call must not run."""

    kind: Literal["deny"] = "deny"


Decision = Annotated[Allow | Review | Deny, Field(discriminator="kind")]
