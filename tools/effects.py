"""Carrying one decided call out: a read simply runs, an effect goes through the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from concertmaster.audit import Trail
from concertmaster.contracts import Action, ActionResult, Label
from concertmaster.contracts.events import EventType
from concertmaster.errors import HomeFenced, StorageError, ToolError, ToolUncertain
from concertmaster.policies.redaction import Redaction, Redactor, in_words
from concertmaster.tools.artifacts import Artifacts, preview
from concertmaster.tools.context import ToolContext
from concertmaster.tools.declaration import Tool
from concertmaster.tools.effect_records import Begun, Done, Fresh, InDoubt, Retry
from concertmaster.tools.execution import run_tool
from concertmaster.tools.journal import Journal, entry_of
from concertmaster.tools.ledger import Ledger
from concertmaster.tools.light import worked
from concertmaster.tools.reconciling import Took, TookNot, Unknown, look_up
from concertmaster.tools.withholding import withheld

__all__ = ["Carrier"]

T = TypeVar("T")

_LOOSE = "nothing is found of it yet, but the process that began it was stopped and may go on"


@dataclass(frozen=True)
class _Job:
    """One decided call, and how it is to be made."""

    tool: Tool
    action: Action
    ctx: ToolContext
    attempts: int
    withhold: tuple[str, ...]


class Carrier:
    """Runs calls that were decided, and says what came of each.

    Args:
        ledger: where effects are written down before and after they happen.
        artifacts: where results go that are too large for the run's state.
        trail: told of every call.
        journal: where reads are written down.
        redactor: takes out of results, and of what tools say of their failures, what must not be
            stored.
    """

    def __init__(
        self,
        ledger: Ledger,
        artifacts: Artifacts,
        trail: Trail,
        journal: Journal,
        redactor: Redactor | None = None,
    ) -> None:
        self.ledger = ledger
        self.artifacts = artifacts
        self.trail = trail
        self.journal = journal
        self._redactor = redactor or Redaction().stored
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def carry_out(
        self,
        tool: Tool,
        action: Action,
        ctx: ToolContext,
        *,
        attempts: int = 1,
        withhold: Sequence[str] = (),
    ) -> ActionResult:
        """Run the call, or return what an earlier attempt at it brought about.

        Never raises for what a tool does: a tool that could not do it is `failed`, an effect of
        which nobody knows is `in_doubt`.

        Args:
            tool: what to run.
            action: the call.
            ctx: for the tool.
            attempts: how often in all a read or an idempotent tool is tried.
            withhold: keys whose values are taken out of the result before it is stored.

        Raises:
            EffectInDoubt, StorageError: another call is recorded at this position, or the ledger
                cannot be written.
        """
        job = _Job(tool, action, ctx, attempts, tuple(withhold))
        if not tool.consequential:
            return await self._read(job)
        # Two at once in one process: the second waits, and finds what the first brought about.
        lock = self._locks.setdefault(f"{ctx.run} {action.position}", asyncio.Lock())
        async with lock:
            return await self._effect(job)

    async def _effect(self, job: _Job) -> ActionResult:
        match await self._begin(job):
            case Done(result, reference):
                # It may have been stored before anybody asked for fields to be taken out.
                kept = await self._kept(job, result)
                whole = reference if kept == result else None
                return _result(job, "done", output=kept, reference=whole)
            case Fresh(key) | Retry(key):
                return await self._act(_keyed(job, key))
            case InDoubt(key, why, loose):
                return await self._taken_up(_keyed(job, key), why, loose)

    async def _begin(self, job: _Job) -> Begun:
        return await self.ledger.begin(
            job.ctx.run,
            job.action.position,
            job.action.call_digest(),
            job.tool.name,
            job.tool.idempotent,
            thread=job.ctx.thread,
            on_behalf_of=job.ctx.principal.id,
        )

    async def _read(self, job: _Job) -> ActionResult:
        try:
            kept = await self._kept(job, await self._run(job))
            reference, shown = await worked(self.artifacts.store, kept)
            result = _result(job, "done", output=shown, reference=reference)
        except (ToolError, StorageError) as error:
            result = _result(job, "failed", message=error.message)
        self._tell(
            job, "tool.called", result.message or f"{job.tool.name} answered", status=result.status
        )
        self.journal.add(
            entry_of(
                job.action,
                job.ctx.run,
                job.ctx.thread,
                "done" if result.status == "done" else "failed",
                label=result.label,
                output=result.output,
                reference=result.reference,
            )
        )
        return result

    async def _run(self, job: _Job) -> Any:
        try:
            return await run_tool(job.tool, job.action.arguments, job.ctx, attempts=job.attempts)
        except ToolError as error:
            told = self._redactor.redact(error.message).text
            raise type(error)(told, hint=error.hint) from None

    async def _act(self, job: _Job) -> ActionResult:
        run, position = job.ctx.run, job.action.position
        try:
            output = await self._run(job)
        except asyncio.CancelledError:
            why = "the call was cancelled while it ran"
            with suppress(HomeFenced):
                await _uninterrupted(self.ledger.doubt(run, position, why))
            raise
        except ToolUncertain as error:
            return await self._looked_up(job, error.message)
        except ToolError as error:
            await self.ledger.fail(run, position, error.message)
            return _result(job, "failed", message=error.message)
        return await _uninterrupted(self._took(job, output))

    async def _taken_up(self, job: _Job, why: str, loose: bool) -> ActionResult:
        """Go on with a call that was cut off: make it only if it certainly had no effect."""
        result = await self._looked_up(job, why, loose)
        if result.status != "failed":
            return result
        await self._begin(job)
        return await self._act(job)

    async def _looked_up(self, job: _Job, why: str, loose: bool = False) -> ActionResult:
        """Settle a call of unknown outcome by what the tool can look up, or leave it in doubt."""
        run, position = job.ctx.run, job.action.position
        match await look_up(job.tool, job.action.arguments, job.ctx):
            case Took(result):
                return await self._took(job, result, f"looked up, after: {why}")
            case TookNot() if loose:
                told = _and(why, _LOOSE)
                await self.ledger.doubt(run, position, told)
                return _result(job, "in_doubt", message=told)
            case TookNot():
                told = f"looked up, it had no effect: {why}"
                await self.ledger.fail(run, position, told)
                return _result(job, "failed", message=why)
            case Unknown(reason):
                told = _and(why, self._redactor.redact(reason).text)
                await self.ledger.doubt(run, position, told)
                return _result(job, "in_doubt", message=why)

    async def _took(self, job: _Job, output: Any, why: str = "") -> ActionResult:
        """Record an effect, even if its result is too large to be stored."""
        kept = await self._kept(job, output)
        try:
            reference, shown = await worked(self.artifacts.store, kept)
        except (ToolError, StorageError):
            reference, shown = None, preview(kept)
        await self.ledger.finish(
            job.ctx.run, job.action.position, shown, reference=reference, why=why
        )
        return _result(job, "done", output=shown, reference=reference)

    async def _kept(self, job: _Job, output: Any) -> Any:
        """Return the output without what must not be seen or stored, and record that."""
        kept, count = withheld(output, job.withhold)
        if count:
            fields = ", ".join(job.withhold)
            why = f"the policies have {fields} taken out of what {job.tool.name} returns"
            self._tell(job, "value.redacted", why, fields=list(job.withhold), count=count)
        cleaned = await worked(self._redactor.redact_json, kept)
        if cleaned.found:
            why = f"taken out of what {job.tool.name} returned: {in_words(cleaned.found)}"
            kinds = {finding.kind: finding.count for finding in cleaned.found}
            self._tell(job, "value.redacted", why, kinds=kinds)
        return cleaned.value

    def _tell(self, job: _Job, type_: EventType, why: str, **data: Any) -> None:
        self.trail.emit(
            type_,
            why=why,
            actor=job.action.step,
            run=job.ctx.run,
            thread=job.ctx.thread,
            on_behalf_of=job.ctx.principal.id,
            tool=job.tool.name,
            position=job.action.position,
            **data,
        )


def _and(why: str, more: str) -> str:
    """Add what else is known, unless it was said before."""
    return why if not more or more in why else f"{why}; {more}"


def _keyed(job: _Job, key: str) -> _Job:
    return replace(job, ctx=replace(job.ctx, idempotency_key=key))


async def _uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Write down what happened even if the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _result(
    job: _Job,
    status: Any,
    *,
    output: Any = None,
    reference: str | None = None,
    message: str = "",
) -> ActionResult:
    tool = job.tool
    return ActionResult(
        position=job.action.position,
        key=job.action.key,
        tool=tool.name,
        status=status,
        output=output,
        reference=reference,
        message=message,
        label=Label(trust=tool.trust, confidentiality=tool.label, sources=(tool.name,)),
        consequential=tool.consequential,
    )
