"""The way from a proposed call to one that may run, or to the reason why it may not.

The decision is made within the transaction that reads the thread's history and writes the call
down, so that of two calls at the same time the second one sees the first. A call that nothing
holds up is settled where its caller is; what asks people, and a tool's own code, is left to the
governance's event loop.
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Generator, Mapping
from typing import Any, TypeVar

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
from concertmaster.errors import ApprovalError, ToolError
from concertmaster.graphs.inbox import read_answer
from concertmaster.graphs.langchain import journal
from concertmaster.graphs.langchain.asking import origins_in_words
from concertmaster.graphs.langchain.driving import Here, Step, There, Write
from concertmaster.graphs.langchain.flushing import Flushing
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
from concertmaster.graphs.langchain.places import Places
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

T = TypeVar("T")

Way = Generator[Step, Any, T]
"""Yields what has to be done, and returns what came of all of it."""


class Clearing:
    """The gate, the stores and the tools of one governance, put together."""

    def __init__(
        self, gate: Gate, toolbox: Toolbox, reader: Reader, stores: Stores, flushing: Flushing
    ) -> None:
        self._records = Records(gate, toolbox, reader, stores)
        self._stores = stores
        self._places = Places()
        self._flushing = flushing

    def enter(self, passing: Passing, edits: frozenset[str] = frozenset()) -> Way[Entered]:
        """Decide a call, and write it down if it may run now.

        The same call that still runs in this process is waited for: a graph that was interrupted
        leaves the other calls of its task running, and makes them again when it is resumed.

        Args:
            passing: the call.
            edits: the keys of the calls of which reviewers made this one.
        """
        if not self._places.take(passing.key):
            alone: bool = yield Here(self._places.wait(passing.key, passing.tool.timeout))
            if not alone:
                return Refused(("the same call still runs",))
        entered: Entered | None = None
        try:
            entered = yield from self._entered(passing, edits | {passing.key})
            return entered
        finally:
            if not (isinstance(entered, Cleared) and entered.passing is passing):
                self._places.free(passing.key)

    def _entered(self, passing: Passing, edits: frozenset[str]) -> Way[Entered]:
        facts = yield from self._facts(passing)
        settled = yield from self._settled(passing, facts)
        if isinstance(settled.verdict, InDoubt):
            settled = yield from self._looked_up(passing, facts)
        match settled.verdict:
            case Allow():
                return (yield from self._cleared(passing, settled))
            case Review() as review:
                return (yield from self._reviewed(passing, facts, review, edits))
            case Deny(reasons=reasons):
                self._flushing.soon()
                return Refused(reasons)
            case Replayed() | Refused() as found:
                return found
        return Refused(("whether it took effect before is not known",))

    def refuse(self, proposed: Proposed, reasons: tuple[str, ...]) -> Way[None]:
        """Write down a call that is refused before anything is decided about it."""
        yield Write(lambda c: self._records.refuse(c, proposed, reasons))
        self._flushing.soon()

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
        key = waiting.passing.key
        if not await self._places.wait(key, waiting.passing.tool.timeout):
            return Refused(("the same call still runs",))
        try:
            if not await self.taken(waiting.passing, position):
                return None
            return await self._voted(waiting.passing, waiting.approval, value, reviewer)
        finally:
            self._places.free(key)

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

    def finish(
        self, passing: Passing, outcome: journal.Outcome, kept: Any = None, why: str = ""
    ) -> Way[None]:
        """Write down what came of a call that was let through, and let the same call pass."""
        try:
            yield from self._end(passing, outcome, kept, why)
        finally:
            self._places.free(passing.key)
            self._flushing.soon()

    def _end(
        self, passing: Passing, outcome: journal.Outcome, kept: Any = None, why: str = ""
    ) -> Way[None]:
        yield Write(lambda c: self._records.end(c, passing, outcome, kept, why))

    def context(self, passing: Passing) -> ToolContext:
        """Return what a declared function may know of this call."""
        return ToolContext(
            principal=passing.proposed.acting.principal,
            run=passing.proposed.turn,
            thread=passing.proposed.place,
            idempotency_key=passing.key,
            data_dir=self._stores.data_dir,
        )

    def _facts(self, passing: Passing) -> Way[Facts]:
        if passing.tool.facts is None:
            return None, None
        work = resolve_facts(passing.tool, passing.arguments, self.context(passing))
        try:
            # A sync resolver has a thread of its own. An async one may hold on to the event loop
            # on which it was called first, and callers come from several.
            facts: Mapping[str, Any] | None = yield (
                There(work) if _is_async(passing.tool.facts) else Here(work)
            )
        except ToolError as error:
            return None, error.message
        return facts, None

    def _settled(
        self, passing: Passing, facts: Facts, approval: Approval | None = None
    ) -> Way[Settled]:
        found: list[Settled] = []
        try:
            yield Write(lambda c: found.append(self._records.settle(c, passing, facts, approval)))
        except (CancelledError, KeyboardInterrupt):
            if found and isinstance(found[0].verdict, Allow) and passing.tool.consequential:
                yield from self._end(
                    passing, "failed", None, "it was called off before it was made"
                )
            raise
        return found[0]

    def _cleared(self, passing: Passing, settled: Settled) -> Way[Cleared]:
        asked: tuple[Asked, ...] = ()
        if settled.questions:
            asked = yield There(self._asked(passing))
        duties = settled.verdict.duties if isinstance(settled.verdict, Allow) else ()
        return Cleared(passing=passing, duties=duties, asked=asked)

    def _reviewed(
        self, passing: Passing, facts: Facts, decision: Review, edits: frozenset[str]
    ) -> Way[Entered]:
        approval: Approval = yield There(
            self._stores.approvals.request(
                passing.action,
                run=passing.proposed.position,
                thread=passing.proposed.place,
                requester=passing.proposed.acting.principal,
                needs=decision.needs,
                reasons=(*decision.reasons, *origins_in_words(decision)),
                bundle=decision.bundle,
                deadline=decision.deadline,
            )
        )
        answer = approval.votes[-1].answer if approval.votes else None
        match approval.status, answer:
            case "approved", _:
                settled = yield from self._settled(passing, facts, approval)
                if isinstance(settled.verdict, Allow):
                    return (yield from self._cleared(passing, settled))
                return Refused(("what was approved is not what is needed now",))
            case "rejected", Reject(reason=reason):
                why = f"a reviewer rejected it: {reason or 'no reason was given'}"
                return (yield from self._refused(passing, why))
            case "responded", Respond(text=text):
                return Told(text)
            case "edited", Edit(arguments=arguments):
                return (yield from self._edited(passing, arguments, edits))
        asked: tuple[Asked, ...] = yield There(self._asked(passing))
        return Waiting(passing=passing, approval=approval, asked=asked)

    def _edited(
        self, passing: Passing, arguments: Mapping[str, Any], edits: frozenset[str]
    ) -> Way[Entered]:
        """Decide the call that a reviewer made of this one."""
        try:
            edited = passing.edited(arguments)
        except ToolError as error:
            return (yield from self._refused(passing, error.message))
        if edited.key in edits:
            why = "the edit leads back to a call that was edited; approve or reject it instead"
            return (yield from self._refused(passing, why))
        return (yield from self.enter(edited, edits))

    def _refused(self, passing: Passing, why: str) -> Way[Refused]:
        refused: Refused = yield There(self.refuse_for_good(passing, (why,)))
        return refused

    async def _asked(self, passing: Passing) -> tuple[Asked, ...]:
        task = passing.proposed.task
        if task is None:
            return ()
        database, approvals = self._stores.database, self._stores.approvals
        found = await database.look(lambda c: journal.questions(c, task))
        return tuple([Asked(q, await approvals.get(q.approval)) for q in found])

    def _looked_up(self, passing: Passing, facts: Facts) -> Way[Settled]:
        """Settle a call that was cut off by what its tool can look up, or refuse to repeat it."""
        found = yield There(look_up(passing.tool, passing.arguments, self.context(passing)))
        match found:
            case Took(result):
                kept = {"content": result if isinstance(result, str) else None}
                yield from self._end(passing, "done", kept, "looked up: it took effect")
                return Settled(Replayed(kept))
            case TookNot():
                yield from self._end(passing, "failed", None, "looked up: it had no effect")
                return (yield from self._settled(passing, facts))
        why = "it was cut off before, and nobody knows whether it took effect; a person must look"
        yield from self._end(passing, "in_doubt", None, why)
        return Settled(Refused((why,)))


def _is_async(function: Any) -> bool:
    call = getattr(type(function), "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
