"""What is written down of a call, within one transaction with the decision about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import (
    Allow,
    Approval,
    Decision,
    Deny,
    Duty,
    Notify,
    Review,
)
from concertmaster.contracts.events import EventType
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.graphs.langchain import journal
from concertmaster.graphs.langchain.passing import STEP, Passing, Refused, Replayed
from concertmaster.graphs.langchain.proposed import Proposed
from concertmaster.graphs.langchain.reading import Reader
from concertmaster.graphs.langchain.stores import Stores
from concertmaster.policies.approvals import satisfies
from concertmaster.policies.gate import Call, Gate
from concertmaster.tools.toolbox import Toolbox

__all__ = ["Facts", "InDoubt", "Records", "Settled"]

Facts = tuple[Mapping[str, Any] | None, str | None]
"""What the tool's fact resolver found, or why it found nothing."""

_NO_REVIEW = ReviewSpec()
_EVENTS: Mapping[journal.Outcome, EventType] = {
    "done": "effect.done",
    "failed": "effect.failed",
    "in_doubt": "effect.in_doubt",
    "paused": "tool.called",
}
_WORDS: Mapping[journal.Outcome, str] = {
    "done": "{tool} answered",
    "failed": "{tool} failed",
    "in_doubt": "{tool} broke down; whether it took effect is not known",
    "paused": "{tool} waits for something itself",
}


@dataclass(frozen=True)
class InDoubt:
    """The call was begun and cut off; nobody knows whether it took effect."""


@dataclass(frozen=True)
class Settled:
    """What was decided about a call, and what was asked in its task before."""

    verdict: Decision | Replayed | Refused | InDoubt
    questions: tuple[journal.Question, ...] = ()


class Records:
    """Decides calls and writes them down; every method runs within a transaction."""

    def __init__(self, gate: Gate, toolbox: Toolbox, reader: Reader, stores: Stores) -> None:
        self._gate = gate
        self._toolbox = toolbox
        self._reader = reader
        self._stores = stores

    def settle(
        self,
        connection: sqlite3.Connection,
        passing: Passing,
        facts: Facts,
        approval: Approval | None,
    ) -> Settled:
        """Decide a call over the thread's history; it is begun at once if it may run.

        Args:
            connection: of the transaction.
            passing: the call.
            facts: looked up before.
            approval: what people approved, if they did.
        """
        settled = self._settled(connection, passing, facts, approval)
        self._keep(connection)
        return settled

    def _settled(
        self,
        connection: sqlite3.Connection,
        passing: Passing,
        facts: Facts,
        approval: Approval | None,
    ) -> Settled:
        known = self._known(connection, passing)
        if known is not None:
            return Settled(known)
        decision = self._decide(connection, passing, facts)
        self._decided(passing, decision, approval)
        if isinstance(decision, Review) and approval and satisfies(approval, decision):
            decision = Allow(**decision.model_dump(exclude={"kind", "needs", "deadline"}))
        self._begin(connection, passing, decision)
        task = passing.proposed.task
        return Settled(decision, journal.questions(connection, task) if task else ())

    def _known(
        self, connection: sqlite3.Connection, passing: Passing
    ) -> Replayed | Refused | InDoubt | None:
        """Return what became of exactly this call before, if that settles it."""
        there = journal.row(connection, passing.key)
        if there is None:
            return None
        if there.outcome == "refused" and there.result:
            return Refused(tuple(there.result))
        if there.consequential and there.outcome == "done":
            why = f"{passing.tool.name} was called before"
            self._tell(passing.proposed, "effect.reused", why, tool=passing.tool.name)
            return Replayed(there.result)
        unsure = there.consequential and there.outcome in ("begun", "in_doubt")
        return InDoubt() if unsure and not passing.tool.idempotent else None

    def _decide(self, connection: sqlite3.Connection, passing: Passing, facts: Facts) -> Decision:
        call, bases = self._call(connection, passing, facts), self._stores.bases
        decision = self._gate.decide(call)
        if bases is None:
            return decision
        basis = bases.keep(passing.proposed.position, call, decision.provenance)
        return decision.model_copy(update={"basis": basis})

    def _call(self, connection: sqlite3.Connection, passing: Passing, facts: Facts) -> Call:
        place, turn = passing.proposed.place, passing.proposed.turn
        before = journal.before(connection, place, turn, passing.key)
        return Call(
            tool=passing.tool.name,
            arguments=passing.arguments,
            principal=passing.proposed.acting.principal,
            step=STEP,
            allowed=self._toolbox.names,
            review=_NO_REVIEW,
            facts=facts[0],
            facts_error=facts[1],
            # The messages may have been cut since; the journal knows what was read before.
            label=self._reader.label(passing.reading.tools | before.tools),
            sources=passing.reading.sources,
            history=before.history,
        )

    def _begin(
        self,
        connection: sqlite3.Connection,
        passing: Passing,
        decision: Decision,
    ) -> None:
        tool = passing.tool
        if isinstance(decision, Deny):
            journal.write(connection, passing.row("refused"))
        if not isinstance(decision, Allow):
            return
        for duty in decision.duties:
            self._duty(passing, duty)
        if tool.consequential:
            journal.write(connection, passing.row("begun"))
            if self._stores.durable:
                why = f"{tool.name} is about to be called"
                self._tell(passing.proposed, "effect.intended", why, tool=tool.name)

    def _duty(self, passing: Passing, duty: Duty) -> None:
        name = passing.tool.name
        if isinstance(duty, Notify):
            type_: EventType = "policy.notice"
            why, about = f"{duty.role} is told of a call of {name}", {"role": duty.role}
        else:
            type_ = "value.redacted"
            why, about = f"{duty.field} is taken out of what {name} returns", {"field": duty.field}
        self._tell(passing.proposed, type_, why, tool=name, **about)

    def refuse(
        self, connection: sqlite3.Connection, proposed: Proposed, reasons: tuple[str, ...]
    ) -> None:
        """Write down a call that is refused before anything could be decided about it."""
        why, name = "; ".join(reasons), str(proposed.name)[:80]
        self._tell(proposed, "tool.refused", why, tool=name)
        self._keep(connection)

    def refuse_for_good(
        self, connection: sqlite3.Connection, passing: Passing, reasons: tuple[str, ...]
    ) -> None:
        """Write down a call that stays refused when it comes up again."""
        journal.write(connection, passing.row("refused", list(reasons)))
        self._decided(passing, Deny(call="", reasons=reasons), None)
        self._keep(connection)

    def end(
        self,
        connection: sqlite3.Connection,
        passing: Passing,
        outcome: journal.Outcome,
        kept: Any = None,
        why: str = "",
    ) -> None:
        """Write down what came of a call that was let through."""
        tool = passing.tool
        journal.write(connection, passing.row(outcome, kept if tool.consequential else None))
        type_ = _EVENTS[outcome] if tool.consequential else "tool.called"
        told = why or _WORDS[outcome].format(tool=tool.name)
        self._tell(
            passing.proposed,
            type_,
            told,
            tool=tool.name,
            outcome=outcome,
            call=passing.call,
        )
        self._keep(connection)

    def _decided(
        self,
        passing: Passing,
        decision: Decision,
        approval: Approval | None,
    ) -> None:
        needs = decision.needs if isinstance(decision, Review) else ()
        duties = () if isinstance(decision, Deny) else decision.duties
        self._tell(
            passing.proposed,
            "tool.refused" if isinstance(decision, Deny) else "policy.decided",
            "; ".join(decision.reasons) or f"decided: {decision.kind}",
            decision=decision.kind,
            tool=passing.tool.name,
            call=decision.call,
            policies=list(decision.policies),
            bundle=decision.bundle,
            approval=approval.id if approval else None,
            basis=decision.basis,
            needs=[need.model_dump() for need in needs],
            duties=[duty.model_dump() for duty in duties],
        )

    def _keep(self, connection: sqlite3.Connection) -> None:
        """Store what was told, if it is to outlast the process, with the change it tells of."""
        if self._stores.durable:
            self._stores.trail.store(connection)

    def _tell(
        self,
        proposed: Proposed,
        type_: EventType,
        why: str,
        **data: Any,
    ) -> None:
        """Put an event into the trail."""
        self._stores.trail.emit(
            type_,
            why=why,
            actor="gate",
            run=proposed.position,
            thread=proposed.place,
            on_behalf_of=proposed.acting.principal.id,
            **data,
        )
