"""A decision as the trail tells it, and what is left of what it rested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.contracts import AuditEvent, Provenance, ToolShape
from concertmaster.policies.call import Call
from concertmaster.policies.gate import Gate

__all__ = [
    "GOVERNED",
    "Again",
    "Beyond",
    "Case",
    "Kind",
    "Recorded",
    "RecordedCall",
    "Settled",
    "WhatIf",
    "recorded_of",
]

Kind = Literal["allow", "review", "deny"]
GOVERNED = "call-"
"""How the runs of governed agents begin: each is one call, and so has no positions."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One decision of the gate; a call has one when it is proposed and one before it runs.

    `needs` are `role` or `N-of:role`, sorted; `duties` are `kind:what`. `call` is the digest of
    tool and arguments.
    """

    seq: int
    time: str
    run: str
    thread: str
    principal: str
    actor: str
    tool: str
    position: int
    call: str
    kind: Kind
    policies: tuple[str, ...]
    needs: tuple[str, ...]
    duties: tuple[str, ...]
    bundle: str
    basis: str = ""
    approval: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedCall(Call):
    """A call with the origins of its values as they were found then; their texts are not kept."""

    origins: Provenance


@dataclass(frozen=True)
class Again:
    """The decision can be made again; exactly, unless something is assumed."""

    call: RecordedCall
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settled:
    """No policy was asked, so none can change it: `why` tells what settled it."""

    why: str


@dataclass(frozen=True)
class Beyond:
    """The decision cannot be made again; `why` tells what is missing."""

    why: str


@dataclass(frozen=True)
class Case:
    """A recorded decision, and whether it can be made again. `effect`: the call took effect."""

    recorded: Recorded
    ground: Again | Settled | Beyond
    effect: bool = False


class WhatIf(Gate):
    """A gate that takes the origins of values as they were found; it executes nothing.

    It is for looking back: the origins come from the home's own record, not from a caller.
    """

    def _origins(self, shape: ToolShape, call: Call) -> Provenance:
        if isinstance(call, RecordedCall):
            return call.origins
        return super()._origins(shape, call)


def recorded_of(event: AuditEvent) -> Recorded | None:
    """Return the decision that an event tells of; None if it tells of none.

    A call that was refused before the gate was asked (its arguments did not fit, no plan holds
    it), or by a person after it, has no decision there.
    """
    data = event.data
    kind, position = data.get("decision"), data.get("position")
    if position is None and (event.run or "").startswith(GOVERNED) and data.get("call"):
        position = 0
    if kind not in ("allow", "review", "deny") or not isinstance(position, int):
        return None
    return Recorded(
        seq=event.seq or 0,
        time=event.time,
        run=event.run or "",
        thread=event.thread or "",
        principal=event.on_behalf_of or "",
        actor=event.actor,
        tool=str(data.get("tool")),
        position=position,
        call=str(data.get("call") or ""),
        kind=kind,
        policies=tuple(map(str, data.get("policies") or ())),
        needs=needs_of(data.get("needs") or ()),
        duties=duties_of(data.get("duties") or ()),
        bundle=str(data.get("bundle") or ""),
        basis=str(data.get("basis") or ""),
        approval=data.get("approval"),
    )


def needs_of(needs: Any) -> tuple[str, ...]:
    """Return who has to approve, in the words of an obligation."""
    return tuple(
        sorted(n["role"] if n["count"] == 1 else f"{n['count']}-of:{n['role']}" for n in needs)
    )


def duties_of(duties: Any) -> tuple[str, ...]:
    """Return what has to happen besides, in the words of an obligation."""
    return tuple(sorted(_duty(duty) for duty in duties))


def _duty(duty: Mapping[str, Any]) -> str:
    return f"{duty.get('kind')}:{duty.get('field') or duty.get('role')}"
