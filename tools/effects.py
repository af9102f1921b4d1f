"""Carrying one decided call out: a read simply runs, an effect goes through the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from concertmaster.audit import Trail
from concertmaster.contracts import Action, ActionResult, Label
from concertmaster.errors import StorageError, ToolError, ToolUncertain
from concertmaster.tools.artifacts import Artifacts, preview
from concertmaster.tools.context import ToolContext
from concertmaster.tools.declaration import Tool
from concertmaster.tools.effect_records import Begun, Done, Fresh, InDoubt, Retry
from concertmaster.tools.execution import run_tool
from concertmaster.tools.ledger import Ledger
from concertmaster.tools.reconciling import Took, TookNot, Unknown, look_up

__all__ = ["Carrier"]

T = TypeVar("T")


class Carrier:
    """Runs calls that were decided, and says what came of each.

    Args:
        ledger: where effects are written down before and after they happen.
        artifacts: where results go that are too large for the run's state.
        trail: told of every call.
    """

    def __init__(self, ledger: Ledger, artifacts: Artifacts, trail: Trail) -> None:
        self.ledger = ledger
        self.artifacts = artifacts
        self.trail = trail
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def carry_out(
        self, tool: Tool, action: Action, ctx: ToolContext, *, attempts: int = 1
    ) -> ActionResult:
        """Run the call, or return what an earlier attempt at it brought about.

        Never raises for what a tool does: a tool that could not do it is `failed`, an effect of
        which nobody knows is `in_doubt`.

        Raises:
            EffectInDoubt, StorageError: another call is recorded at this position, or the ledger
                cannot be written.
        """
        if not tool.consequential:
            return await self._read(tool, action, ctx, attempts)
        # Two at once in one process: the second waits, and finds what the first brought about.
        lock = self._locks.setdefault(f"{ctx.run} {action.position}", asyncio.Lock())
        async with lock:
            return await self._effect(tool, action, ctx, attempts)

    async def _effect(
        self, tool: Tool, action: Action, ctx: ToolContext, attempts: int
    ) -> ActionResult:
        match await self._begin(tool, action, ctx):
            case Done(result, reference):
                return _result(tool, action, "done", output=result, reference=reference)
            case Fresh(key) | Retry(key):
                return await self._act(tool, action, replace(ctx, idempotency_key=key), attempts)
            case InDoubt(key, why):
                keyed = replace(ctx, idempotency_key=key)
                return await self._taken_up(tool, action, keyed, attempts, why)

    async def _begin(self, tool: Tool, action: Action, ctx: ToolContext) -> Begun:
        return await self.ledger.begin(
            ctx.run,
            action.position,
            action.call_digest(),
            tool.name,
            tool.idempotent,
            thread=ctx.thread,
            on_behalf_of=ctx.principal.id,
        )

    async def _read(
        self, tool: Tool, action: Action, ctx: ToolContext, attempts: int
    ) -> ActionResult:
        try:
            output = await run_tool(tool, action.arguments, ctx, attempts=attempts)
            reference, shown = await asyncio.to_thread(self.artifacts.store, output)
            result = _result(tool, action, "done", output=shown, reference=reference)
        except (ToolError, StorageError) as error:
            result = _result(tool, action, "failed", message=error.message)
        self.trail.emit(
            "tool.called",
            why=result.message or f"{tool.name} answered",
            actor=action.step,
            run=ctx.run,
            thread=ctx.thread,
            on_behalf_of=ctx.principal.id,
            tool=tool.name,
            position=action.position,
            status=result.status,
        )
        return result

    async def _act(
        self, tool: Tool, action: Action, ctx: ToolContext, attempts: int
    ) -> ActionResult:
        try:
            output = await run_tool(tool, action.arguments, ctx, attempts=attempts)
        except asyncio.CancelledError:
            why = "the call was cancelled while it ran"
            await _uninterrupted(self.ledger.doubt(ctx.run, action.position, why))
            raise
        except ToolUncertain as error:
            return await self._looked_up(tool, action, ctx, error.message)
        except ToolError as error:
            await self.ledger.fail(ctx.run, action.position, error.message)
            return _result(tool, action, "failed", message=error.message)
        return await _uninterrupted(self._took(tool, action, ctx, output))

    async def _taken_up(
        self, tool: Tool, action: Action, ctx: ToolContext, attempts: int, why: str
    ) -> ActionResult:
        """Go on with a call that was cut off: make it only if it certainly had no effect."""
        result = await self._looked_up(tool, action, ctx, why)
        if result.status != "failed":
            return result
        await self._begin(tool, action, ctx)
        return await self._act(tool, action, ctx, attempts)

    async def _looked_up(
        self, tool: Tool, action: Action, ctx: ToolContext, why: str
    ) -> ActionResult:
        """Settle a call of unknown outcome by what the tool can look up, or leave it in doubt."""
        match await look_up(tool, action.arguments, ctx):
            case Took(result):
                return await self._took(tool, action, ctx, result, f"looked up, after: {why}")
            case TookNot():
                told = f"looked up, it had no effect: {why}"
                await self.ledger.fail(ctx.run, action.position, told)
                return _result(tool, action, "failed", message=why)
            case Unknown(reason):
                told = f"{why}; {reason}" if reason else why
                await self.ledger.doubt(ctx.run, action.position, told)
                return _result(tool, action, "in_doubt", message=why)

    async def _took(
        self, tool: Tool, action: Action, ctx: ToolContext, output: Any, why: str = ""
    ) -> ActionResult:
        """Record an effect, even if its result is too large to be stored."""
        try:
            reference, shown = await asyncio.to_thread(self.artifacts.store, output)
        except (ToolError, StorageError):
            reference, shown = None, preview(output)
        await self.ledger.finish(ctx.run, action.position, shown, reference=reference, why=why)
        return _result(tool, action, "done", output=shown, reference=reference)


async def _uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Write down what happened even if the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _result(
    tool: Tool,
    action: Action,
    status: Any,
    *,
    output: Any = None,
    reference: str | None = None,
    message: str = "",
) -> ActionResult:
    return ActionResult(
        position=action.position,
        key=action.key,
        tool=tool.name,
        status=status,
        output=output,
        reference=reference,
        message=message,
        label=Label(trust=tool.trust, confidentiality=tool.label, sources=(tool.name,)),
        consequential=tool.consequential,
    )
