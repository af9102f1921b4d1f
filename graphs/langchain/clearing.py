"""Deciding a call and writing down what came of it: the decision and its record are one.

Everything here runs on the governance's own event loop. The decision is made within the
transaction that reads the thread's history and writes the call down, so that of two calls at the
same time the second one sees the first.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import Any

from concertmaster.contracts import (
    Allow,
    Approval,
    Decision,
    Deny,
    Edit,
    Label,
    Notify,
    Principal,
    Redact,
    Reject,
    Respond,
    Review,
)
from concertmaster.contracts.events import EventType
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.errors import ApprovalError, ToolError
from concertmaster.graphs.inbox import read_answer
from concertmaster.graphs.langchain import journal
from concertmaster.graphs.langchain.asking import origins_in_words
from concertmaster.graphs.langchain.passing import (
    STEP,
    Asked,
    Cleared,
    Entered,
    Passing,
    Refused,
    Replayed,
    Told,
    Waiting,
)
from concertmaster.graphs.langchain.proposed import Proposed
from concertmaster.graphs.langchain.reading import label_of
from concertmaster.graphs.langchain.stores import Stores
from concertmaster.policies.approvals import satisfies
from concertmaster.policies.gate import Call, Gate
from concertmaster.tools.context import ToolContext
from concertmaster.tools.facts import resolve_facts
from concertmaster.tools.reconciling import Took, TookNot, look_up
from concertmaster.tools.toolbox import Toolbox

__all__ = ["Clearing"]

_NO_REVIEW = ReviewSpec()
_Facts = tuple[Mapping[str, Any] | None, str | None]


class _InDoubt:
    """The call was begun and cut off; nobody knows whether it took effect."""


class Clearing:
    """The gate, the stores and the tools of one governance, put together."""

    def __init__(self, gate: Gate, toolbox: Toolbox, stores: Stores) -> None:
        self._gate = gate
        self._toolbox = toolbox
        self._stores = stores
        self._running: dict[str, asyncio.Future[None]] = {}

    async def enter(self, passing: Passing, edits: frozenset[str] = frozenset()) -> Entered:
        """Decide a call, and write it down if it may run now.

        The same call that still runs in this process is waited for: a graph that was interrupted
        leaves the other calls of its task running, and makes them again when it is resumed.
        """
        while (running := self._running.get(passing.key)) is not None:
            done, _ = await asyncio.wait({running}, timeout=passing.tool.timeout)
            if not done:
                return Refused(("the same call still runs",))
        self._running[passing.key] = asyncio.get_running_loop().create_future()
        entered: Entered | None = None
        try:
            entered = await self._entered(passing, edits | {passing.key})
            return entered
        finally:
            if not (isinstance(entered, Cleared) and entered.passing is passing):
                self._ended(passing)

    async def _entered(self, passing: Passing, edits: frozenset[str]) -> Entered:
        facts = await self._facts(passing)
        found = await self._settled(passing, facts, None)
        if isinstance(found, _InDoubt):
            found = await self._looked_up(passing, facts)
        if isinstance(found, Review):
            return await self._reviewed(passing, facts, found, edits)
        if isinstance(found, Allow):
            return await self._cleared(passing, found)
        if isinstance(found, Replayed | Refused):
            return found
        return Refused(found.reasons if isinstance(found, Deny) else ("its outcome is not known",))

    def _ended(self, passing: Passing) -> None:
        running = self._running.pop(passing.key, None)
        if running is not None and not running.done():
            running.set_result(None)

    async def refuse(self, proposed: Proposed, reasons: tuple[str, ...]) -> None:
        """Write down a call that is refused before anything is decided about it."""
        await self._stores.database.write(
            lambda c: self._store(
                c, proposed, "tool.refused", "; ".join(reasons), tool=proposed.name[:80]
            )
        )

    async def refuse_for_good(self, passing: Passing, reasons: tuple[str, ...]) -> Refused:
        """Refuse a call after its review; it stays refused when it comes up again."""
        await self._stores.approvals.void(passing.proposed.position, "; ".join(reasons))

        def work(connection: sqlite3.Connection) -> None:
            journal.write(connection, passing.row("refused", list(reasons)))
            self._decided(connection, passing, Deny(call="", reasons=reasons), None)

        await self._stores.database.write(work)
        return Refused(reasons)

    async def ask(self, passing: Passing, approval: Approval) -> tuple[bool, tuple[Asked, ...]]:
        """Ask for an approval in this task; return whether that is new, and all its questions."""
        task = passing.proposed.task or ""
        new = await self._stores.database.write(lambda c: journal.ask(c, task, approval.id))
        return new, await self._asked(passing)

    async def taken(self, passing: Passing, position: int) -> None:
        """Write down that an answer was taken, before it is looked at: it counts once."""
        task = passing.proposed.task or ""
        await self._stores.database.write(lambda c: journal.answer(c, task, position))

    async def answered(
        self, passing: Passing, approval: Approval, value: Any, reviewer: Principal | None
    ) -> Refused | None:
        """Give a reviewer's answer, or say why there is none; the stored approval then tells."""
        approvals = self._stores.approvals
        if (await approvals.get(approval.id)).status != "pending":
            return None
        if reviewer is None or not reviewer.authenticated:
            why = "it needs a reviewer, and whoever answered was not authenticated"
            return await self.refuse_for_good(passing, (why,))
        answer = read_answer(value, approval)
        if answer is None:
            return await self.refuse_for_good(passing, ("the reviewer's answer is no answer",))
        try:
            await approvals.decide(approval.id, answer, reviewer)
        except ApprovalError as error:
            return await self.refuse_for_good(passing, (error.message,))
        return None

    async def finish(
        self, passing: Passing, outcome: journal.Outcome, kept: Any = None, why: str = ""
    ) -> None:
        """Write down what came of a call that was let through, and let the same call pass."""
        try:
            await self._came_of(passing, outcome, kept, why)
        finally:
            self._ended(passing)

    async def _came_of(
        self, passing: Passing, outcome: journal.Outcome, kept: Any = None, why: str = ""
    ) -> None:
        tool = passing.tool
        type_ = _EVENTS[outcome] if tool.consequential else "tool.called"
        reason = why or _WORDS[outcome].format(tool=tool.name)

        def work(connection: sqlite3.Connection) -> None:
            result = kept if tool.consequential else None
            journal.write(connection, passing.row(outcome, result))
            self._store(
                connection, passing.proposed, type_, reason, tool=tool.name, outcome=outcome,
                call=passing.action.call_digest(),
            )  # fmt: skip

        await self._stores.database.write(work)

    def context(self, passing: Passing) -> ToolContext:
        """Return what a declared function may know of this call."""
        return ToolContext(
            principal=passing.proposed.acting.principal,
            run=passing.proposed.turn,
            thread=passing.proposed.place,
            idempotency_key=passing.key,
            data_dir=self._stores.data_dir,
        )

    async def _facts(self, passing: Passing) -> _Facts:
        if passing.tool.facts is None:
            return None, None
        try:
            context = self.context(passing)
            return await resolve_facts(passing.tool, passing.arguments, context), None
        except ToolError as error:
            return None, error.message

    async def _settled(
        self, passing: Passing, facts: _Facts, approval: Approval | None
    ) -> Decision | Replayed | Refused | _InDoubt:
        """Decide within one transaction; the call is begun in it if it may run."""

        def work(connection: sqlite3.Connection) -> Decision | Replayed | Refused | _InDoubt:
            there = journal.row(connection, passing.key)
            if there is not None and there.outcome == "refused" and there.result:
                return Refused(tuple(there.result))
            if there is not None and there.consequential:
                if there.outcome == "done":
                    why = f"{passing.tool.name} was called before"
                    self._store(
                        connection, passing.proposed, "effect.reused", why, tool=passing.tool.name
                    )
                    return Replayed(there.result)
                unsure = there.outcome in ("begun", "in_doubt")
                if unsure and not passing.tool.idempotent:
                    return _InDoubt()
            decision = self._gate.decide(self._call(connection, passing, facts))
            if isinstance(decision, Review) and approval and satisfies(approval, decision):
                decision = Allow(**decision.model_dump(exclude={"kind", "needs"}))
            self._begun(connection, passing, decision, approval)
            return decision

        return await self._stores.database.write(work)

    def _call(self, connection: sqlite3.Connection, passing: Passing, facts: _Facts) -> Call:
        place, turn = passing.proposed.place, passing.proposed.turn
        return Call(
            tool=passing.tool.name,
            arguments=passing.arguments,
            principal=passing.proposed.acting.principal,
            step=STEP,
            allowed=self._toolbox.names,
            review=_NO_REVIEW,
            facts=facts[0],
            facts_error=facts[1],
            label=self._label(connection, passing, place),
            sources=passing.reading.sources,
            history=journal.history(connection, place, turn, passing.key),
        )

    def _label(self, connection: sqlite3.Connection, passing: Passing, place: str) -> Label:
        """Join what the messages show with what was read before, if they were cut since."""
        label = passing.reading.label
        for name in sorted(journal.tools_read(connection, place)):
            label = label.join(label_of(self._toolbox.get(name)))
        return label

    def _begun(
        self,
        connection: sqlite3.Connection,
        passing: Passing,
        decision: Decision,
        approval: Approval | None,
    ) -> None:
        tool = passing.tool
        if isinstance(decision, Deny):
            journal.write(connection, passing.row("refused"))
        self._decided(connection, passing, decision, approval)
        if not isinstance(decision, Allow):
            return
        for duty in decision.duties:
            if isinstance(duty, Notify):
                why = f"{duty.role} is told of a call of {tool.name}"
                self._store(
                    connection, passing.proposed, "policy.notice", why, tool=tool.name,
                    role=duty.role,
                )  # fmt: skip
            elif isinstance(duty, Redact):
                why = f"{duty.field} is taken out of the result of {tool.name}"
                self._store(
                    connection, passing.proposed, "value.redacted", why, tool=tool.name,
                    field=duty.field,
                )  # fmt: skip
        if tool.consequential:
            journal.write(connection, passing.row("begun"))
            why = f"{tool.name} is about to be called"
            self._store(connection, passing.proposed, "effect.intended", why, tool=tool.name)

    async def _cleared(self, passing: Passing, decision: Allow) -> Cleared:
        return Cleared(passing=passing, duties=decision.duties, asked=await self._asked(passing))

    async def _reviewed(
        self, passing: Passing, facts: _Facts, decision: Review, edits: frozenset[str]
    ) -> Entered:
        approval = await self._stores.approvals.request(
            passing.action,
            run=passing.proposed.position,
            thread=passing.proposed.place,
            requester=passing.proposed.acting.principal,
            needs=decision.needs,
            reasons=(*decision.reasons, *origins_in_words(decision)),
            bundle=decision.bundle,
        )
        answer = approval.votes[-1].answer if approval.votes else None
        match approval.status, answer:
            case "approved", _:
                found = await self._settled(passing, facts, approval)
                if isinstance(found, Allow):
                    return await self._cleared(passing, found)
                return Refused(("what was approved is not what is needed now",))
            case "rejected", Reject(reason=reason):
                why = f"a reviewer rejected it: {reason or 'no reason was given'}"
                return await self.refuse_for_good(passing, (why,))
            case "responded", Respond(text=text):
                return Told(text)
            case "edited", Edit(arguments=arguments):
                return await self._edited(passing, arguments, edits)
        return Waiting(
            passing=passing,
            approval=approval,
            needs=decision.needs,
            asked=await self._asked(passing),
        )

    async def _edited(
        self, passing: Passing, arguments: Mapping[str, Any], edits: frozenset[str]
    ) -> Entered:
        """Decide the call that a reviewer made of this one."""
        try:
            edited = passing.edited(arguments)
        except ToolError as error:
            return await self.refuse_for_good(passing, (error.message,))
        if edited.key in edits:
            why = "the edit leads back to a call that was edited; approve or reject it instead"
            return await self.refuse_for_good(passing, (why,))
        return await self.enter(edited, edits)

    async def _asked(self, passing: Passing) -> tuple[Asked, ...]:
        task = passing.proposed.task
        if task is None:
            return ()
        database, approvals = self._stores.database, self._stores.approvals
        found = await database.read(lambda c: journal.questions(c, task))
        return tuple([Asked(q, await approvals.get(q.approval)) for q in found])

    async def _looked_up(
        self, passing: Passing, facts: _Facts
    ) -> Decision | Replayed | Refused | _InDoubt:
        """Settle a call that was cut off by what its tool can look up, or refuse to repeat it."""
        match await look_up(passing.tool, passing.arguments, self.context(passing)):
            case Took(result):
                kept = {"content": result if isinstance(result, str) else None}
                await self._came_of(passing, "done", kept, "looked up: it took effect")
                return Replayed(kept)
            case TookNot():
                await self._came_of(passing, "failed", None, "looked up: it had no effect")
                return await self._settled(passing, facts, None)
        why = "it was cut off before, and nobody knows whether it took effect; a person must look"
        await self._came_of(passing, "in_doubt", None, why)
        return Refused((why,))

    def _decided(
        self,
        connection: sqlite3.Connection,
        passing: Passing,
        decision: Decision,
        approval: Approval | None,
    ) -> None:
        self._store(
            connection,
            passing.proposed,
            "tool.refused" if isinstance(decision, Deny) else "policy.decided",
            "; ".join(decision.reasons) or f"decided: {decision.kind}",
            decision=decision.kind,
            tool=passing.tool.name,
            step=STEP,
            call=decision.call,
            policies=list(decision.policies),
            bundle=decision.bundle,
            approval=approval.id if approval else None,
        )

    def _store(
        self,
        connection: sqlite3.Connection,
        proposed: Proposed,
        type_: EventType,
        why: str,
        **data: Any,
    ) -> None:
        trail = self._stores.trail
        event = trail.event(
            type_,
            why=why,
            actor="gate",
            run=proposed.position,
            thread=proposed.place,
            on_behalf_of=proposed.acting.principal.id,
            **data,
        )
        trail.store(connection, event)


_EVENTS: dict[journal.Outcome, EventType] = {
    "done": "effect.done",
    "failed": "effect.failed",
    "in_doubt": "effect.in_doubt",
    "paused": "tool.called",
}
_WORDS: dict[journal.Outcome, str] = {
    "done": "{tool} answered",
    "failed": "{tool} failed",
    "in_doubt": "{tool} broke down; whether it took effect is not known",
    "paused": "{tool} waits for something itself",
}
