"""The way from a proposed call to one that may run, or to the reason why it may not.

Everything here runs on the governance's own event loop. The decision is made within the
transaction that reads the thread's history and writes the call down, so that of two calls at the
same time the second one sees the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from concertmaster.contracts import (
    Allow,
    Approval,
    Deny,
    Edit,
    Principal,
    Reject,
    Respond,
    Review,
)
from concertmaster.errors import ApprovalError, ConcertmasterError, ToolError
from concertmaster.graphs.inbox import read_answer
from concertmaster.graphs.langchain import journal
from concertmaster.graphs.langchain.asking import origins_in_words
from concertmaster.graphs.langchain.passing import (
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
from concertmaster.graphs.langchain.reading import Reader
from concertmaster.graphs.langchain.records import Facts, InDoubt, Records, Settled
from concertmaster.graphs.langchain.stores import Stores
from concertmaster.policies.gate import Gate
from concertmaster.tools.context import ToolContext
from concertmaster.tools.facts import resolve_facts
from concertmaster.tools.reconciling import Took, TookNot, look_up
from concertmaster.tools.toolbox import Toolbox

__all__ = ["Clearing"]

_PAUSE = 0.2


class Clearing:
    """The gate, the stores and the tools of one governance, put together."""

    def __init__(self, gate: Gate, toolbox: Toolbox, reader: Reader, stores: Stores) -> None:
        self._records = Records(gate, toolbox, reader, stores)
        self._stores = stores
        self._running: dict[str, asyncio.Future[None]] = {}
        self._flushing: asyncio.Task[None] | None = None

    async def enter(self, passing: Passing, edits: frozenset[str] = frozenset()) -> Entered:
        """Decide a call, and write it down if it may run now.

        The same call that still runs in this process is waited for: a graph that was interrupted
        leaves the other calls of its task running, and makes them again when it is resumed.

        Args:
            passing: the call.
            edits: the keys of the calls of which reviewers made this one.
        """
        if not await self._alone(passing):
            return Refused(("the same call still runs",))
        entered: Entered | None = None
        try:
            entered = await self._entered(passing, edits | {passing.key})
            return entered
        finally:
            if not (isinstance(entered, Cleared) and entered.passing is passing):
                self._ended(passing)

    async def _entered(self, passing: Passing, edits: frozenset[str]) -> Entered:
        facts = await self._facts(passing)
        settled = await self._settled(passing, facts)
        if isinstance(settled.verdict, InDoubt):
            settled = await self._looked_up(passing, facts)
        match settled.verdict:
            case Allow():
                return await self._cleared(passing, settled)
            case Review() as review:
                return await self._reviewed(passing, facts, review, edits)
            case Deny(reasons=reasons):
                self._flush_soon()
                return Refused(reasons)
            case Replayed() | Refused() as found:
                return found
        return Refused(("whether it took effect before is not known",))

    async def _alone(self, passing: Passing) -> bool:
        """Wait until the same call does not run any more, and hold its place; False in the end."""
        while (running := self._running.get(passing.key)) is not None:
            done, _ = await asyncio.wait({running}, timeout=passing.tool.timeout)
            if not done:
                return False
        self._running[passing.key] = asyncio.get_running_loop().create_future()
        return True

    def _ended(self, passing: Passing) -> None:
        running = self._running.pop(passing.key, None)
        if running is not None and not running.done():
            running.set_result(None)

    async def refuse(self, proposed: Proposed, reasons: tuple[str, ...]) -> None:
        """Write down a call that is refused before anything is decided about it."""
        await self._stores.database.write(lambda c: self._records.refuse(c, proposed, reasons))
        self._flush_soon()

    async def refuse_for_good(self, passing: Passing, reasons: tuple[str, ...]) -> Refused:
        """Refuse a call after its review; it stays refused when it comes up again."""
        await self._stores.approvals.void(passing.proposed.position, "; ".join(reasons))
        await self._stores.database.write(
            lambda c: self._records.refuse_for_good(c, passing, reasons)
        )
        return Refused(reasons)

    async def ask(self, passing: Passing, approval: Approval) -> tuple[bool, tuple[Asked, ...]]:
        """Ask for an approval in this task; return whether that is new, and all its questions."""
        task = passing.proposed.task or ""
        new = await self._stores.database.write(lambda c: journal.ask(c, task, approval.id))
        return new, await self._asked(passing)

    async def taken(self, passing: Passing, position: int) -> bool:
        """Write down that an answer is taken, before it is looked at; False if it was before."""
        task = passing.proposed.task or ""
        return await self._stores.database.write(lambda c: journal.answer(c, task, position))

    async def answered(
        self, waiting: Waiting, position: int, value: Any, reviewer: Principal | None
    ) -> Refused | None:
        """Take a reviewer's answer, or say why there is none; the stored approval then tells."""
        if not await self._alone(waiting.passing):
            return Refused(("the same call still runs",))
        try:
            if not await self.taken(waiting.passing, position):
                return None
            return await self._voted(waiting.passing, waiting.approval, value, reviewer)
        finally:
            self._ended(waiting.passing)

    async def _voted(
        self, passing: Passing, approval: Approval, value: Any, reviewer: Principal | None
    ) -> Refused | None:
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
            await self._end(passing, outcome, kept, why)
        finally:
            self._ended(passing)
            self._flush_soon()

    def _flush_soon(self) -> None:
        """Have what waits in memory stored a little later, off the way of the calls."""
        if self._flushing is None and self._stores.trail.pending_count:
            self._flushing = asyncio.create_task(self._flush_later())

    async def _flush_later(self) -> None:
        try:
            await asyncio.sleep(_PAUSE)
            with suppress(ConcertmasterError):
                await self._stores.trail.flush()
        finally:
            self._flushing = None

    async def _end(
        self, passing: Passing, outcome: journal.Outcome, kept: Any = None, why: str = ""
    ) -> None:
        await self._stores.database.write(
            lambda c: self._records.end(c, passing, outcome, kept, why)
        )

    def context(self, passing: Passing) -> ToolContext:
        """Return what a declared function may know of this call."""
        return ToolContext(
            principal=passing.proposed.acting.principal,
            run=passing.proposed.turn,
            thread=passing.proposed.place,
            idempotency_key=passing.key,
            data_dir=self._stores.data_dir,
        )

    async def _facts(self, passing: Passing) -> Facts:
        if passing.tool.facts is None:
            return None, None
        try:
            context = self.context(passing)
            return await resolve_facts(passing.tool, passing.arguments, context), None
        except ToolError as error:
            return None, error.message

    async def _settled(
        self, passing: Passing, facts: Facts, approval: Approval | None = None
    ) -> Settled:
        return await self._stores.database.write(
            lambda c: self._records.settle(c, passing, facts, approval)
        )

    async def _cleared(self, passing: Passing, settled: Settled) -> Cleared:
        asked = await self._asked(passing) if settled.questions else ()
        duties = settled.verdict.duties if isinstance(settled.verdict, Allow) else ()
        return Cleared(passing=passing, duties=duties, asked=asked)

    async def _reviewed(
        self, passing: Passing, facts: Facts, decision: Review, edits: frozenset[str]
    ) -> Entered:
        approval = await self._stores.approvals.request(
            passing.action,
            run=passing.proposed.position,
            thread=passing.proposed.place,
            requester=passing.proposed.acting.principal,
            needs=decision.needs,
            reasons=(*decision.reasons, *origins_in_words(decision)),
            bundle=decision.bundle,
            deadline=decision.deadline,
        )
        answer = approval.votes[-1].answer if approval.votes else None
        match approval.status, answer:
            case "approved", _:
                settled = await self._settled(passing, facts, approval)
                if isinstance(settled.verdict, Allow):
                    return await self._cleared(passing, settled)
                return Refused(("what was approved is not what is needed now",))
            case "rejected", Reject(reason=reason):
                why = f"a reviewer rejected it: {reason or 'no reason was given'}"
                return await self.refuse_for_good(passing, (why,))
            case "responded", Respond(text=text):
                return Told(text)
            case "edited", Edit(arguments=arguments):
                return await self._edited(passing, arguments, edits)
        return Waiting(passing=passing, approval=approval, asked=await self._asked(passing))

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
        found = await database.look(lambda c: journal.questions(c, task))
        return tuple([Asked(q, await approvals.get(q.approval)) for q in found])

    async def _looked_up(self, passing: Passing, facts: Facts) -> Settled:
        """Settle a call that was cut off by what its tool can look up, or refuse to repeat it."""
        match await look_up(passing.tool, passing.arguments, self.context(passing)):
            case Took(result):
                kept = {"content": result if isinstance(result, str) else None}
                await self._end(passing, "done", kept, "looked up: it took effect")
                return Settled(Replayed(kept))
            case TookNot():
                await self._end(passing, "failed", None, "looked up: it had no effect")
                return await self._settled(passing, facts)
        why = "it was cut off before, and nobody knows whether it took effect; a person must look"
        await self._end(passing, "in_doubt", None, why)
        return Settled(Refused((why,)))
