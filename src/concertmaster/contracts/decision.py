"""What the gate decided, with its reason. Absence of a rule denies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from concertmaster.contracts import html
from concertmaster.contracts.base import Record
from concertmaster.contracts.deadline import Deadline
from concertmaster.contracts.provenance import Provenance

__all__ = ["Allow", "Decision", "Deny", "Duty", "Notify", "Redact", "Review", "ReviewNeed"]


_COLOURS = {"allow": html.GREEN, "review": html.AMBER, "deny": html.RED}


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


def _told(duty: Duty) -> tuple[str, str]:
    return duty.kind, duty.field if isinstance(duty, Redact) else duty.role


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

    def __repr__(self) -> str:
        rules = ", ".join(map(repr, self.policies)) or "no rule"
        return f"<{type(self).__name__} {rules}>"

    def _repr_html_(self) -> str:
        name = type(self).__name__.lower()
        reasons = "<br>".join(html.short(reason) for reason in self.reasons)
        told = [("rules", ", ".join(map(html.visible, self.policies)) or "none")]
        told += [(html.visible(field), html.short(str(value))) for field, value in self._besides()]
        if self.provenance is not None:
            told += [
                (html.visible(value.path), html.visible(value.origin))
                for value in self.provenance.values
            ]
        return html.card(html.badge(name, _COLOURS[name]), f"&ensp;{reasons}", html.rows(told))

    def _besides(self) -> list[tuple[str, str]]:
        """Return what the decision asks for, in words."""
        return []


class Allow(_Decided):
    """The call may run now."""

    kind: Literal["allow"] = "allow"
    duties: tuple[Duty, ...] = ()

    def _besides(self) -> list[tuple[str, str]]:
        return [_told(duty) for duty in self.duties]


class Review(_Decided):
    """The call may run once every need is met by an approval bound to it.

    People have until `deadline` for that; as long as they like without one.
    """

    kind: Literal["review"] = "review"
    needs: tuple[ReviewNeed, ...] = Field(min_length=1)
    deadline: Deadline | None = None
    duties: tuple[Duty, ...] = ()

    def _besides(self) -> list[tuple[str, str]]:
        needs = ", ".join(f"{need.count} × {need.role}" for need in self.needs)
        return [("waits for", needs), *(_told(duty) for duty in self.duties)]


class Deny(_Decided):
    """The call must not run."""

    kind: Literal["deny"] = "deny"


Decision = Annotated[Allow | Review | Deny, Field(discriminator="kind")]
