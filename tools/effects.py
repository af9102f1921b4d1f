"""Carrying one decided call out: a read simply runs, an effect goes through the ledger."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from concertmaster.audit import Trail
from concertmaster.contracts import Action, ActionResult, Label
from concertmaster.errors import ToolError, ToolUncertain
from concertmaster.tools.artifacts import Artifacts
from concertmaster.tools.context import ToolContext
from concertmaster.tools.declaration import Tool
from concertmaster.tools.execution import run_tool
from concertmaster.tools.ledger import Done, Fresh, InDoubt, Ledger, Retry

__all__ = ["Carrier"]


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

    async def carry_out(
        self, tool: Tool, action: Action, ctx: ToolContext, *, attempts: int = 1
    ) -> ActionResult:
        """Run the call, or return what an earlier attempt at it brought about.

        Never raises for what a tool does: a tool that could not do it is `failed`, an effect of
        which nobody knows is `in_doubt`.
        """
        if not tool.consequential:
            return await self._read(tool, action, ctx, attempts)
        begun = await self.ledger.begin(
            ctx.run, action.position, action.call_digest(), tool.name, tool.idempotent
        )
        match begun:
            case Done(result):
                return await self._done(tool, action, result)
            case Fresh() | Retry():
                return await self._act(tool, action, ctx, attempts)
            case InDoubt():
                return await self._reconciled(tool, action, ctx, "an earlier attempt was cut off")

    async def _read(
        self, tool: Tool, action: Action, ctx: ToolContext, attempts: int
    ) -> ActionResult:
        try:
            output = await run_tool(tool, action.arguments, ctx, attempts=attempts)
            result = await self._done(tool, action, output)
        except ToolError as error:
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
        except ToolUncertain as error:
            return await self._reconciled(tool, action, ctx, error.message)
        except ToolError as error:
            await self.ledger.fail(ctx.run, action.position, error.message)
            return _result(tool, action, "failed", message=error.message)
        await self.ledger.finish(ctx.run, action.position, output)
        return await self._done(tool, action, output)

    async def _reconciled(
        self, tool: Tool, action: Action, ctx: ToolContext, why: str
    ) -> ActionResult:
        """Look up whether the effect took place, where the tool says how; else it is in doubt."""
        found = await self._look_up(tool, action, ctx) if tool.reconcile else None
        if found is not None:
            await self.ledger.finish(ctx.run, action.position, found)
            return await self._done(tool, action, found)
        await self.ledger.doubt(ctx.run, action.position, why)
        return _result(tool, action, "in_doubt", message=why)

    async def _look_up(self, tool: Tool, action: Action, ctx: ToolContext) -> Any:
        assert tool.reconcile is not None
        try:
            async with asyncio.timeout(tool.timeout):
                if inspect.iscoroutinefunction(tool.reconcile):
                    return await tool.reconcile(action.arguments, ctx)
                return await asyncio.to_thread(tool.reconcile, action.arguments, ctx)
        except Exception:
            # A reconciler that cannot tell leaves the effect in doubt; a person looks then.
            return None

    async def _done(self, tool: Tool, action: Action, output: Any) -> ActionResult:
        try:
            reference, preview = await asyncio.to_thread(self.artifacts.store, output)
        except ToolError as error:
            status = "done" if tool.consequential else "failed"
            return _result(tool, action, status, message=error.message)
        return _result(tool, action, "done", output=preview, reference=reference)


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
