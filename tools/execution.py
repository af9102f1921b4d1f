"""Running one tool once or, where that is safe, a few times: bounded, checked, in words."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from concertmaster.contracts import plain_text
from concertmaster.errors import ToolError, ToolUncertain
from concertmaster.tools.context import ToolContext
from concertmaster.tools.declaration import Tool
from concertmaster.tools.light import worked
from concertmaster.tools.plain import NotPlain, plain_json
from concertmaster.tools.threads import CallHung, CallStopped, bounded_call

__all__ = ["run_tool", "told"]

_LOG = logging.getLogger("concertmaster.tools")
_FIRST_PAUSE = 0.1
_LONGEST_MESSAGE = 300


async def run_tool(
    tool: Tool,
    arguments: Mapping[str, Any],
    ctx: ToolContext,
    *,
    deadline: float | None = None,
    attempts: int = 1,
) -> Any:
    """Run a tool and return its result as plain JSON.

    Args:
        tool: what to run. This function asks no policy: whoever calls it has.
        arguments: checked against the tool's schema first.
        ctx: injected where the tool asks for it.
        deadline: a time of the event loop's clock after which no attempt begins or goes on.
        attempts: how often in all a read or an idempotent tool is tried when it breaks down.
            What the tool itself tells with a ToolError is its answer, and is not tried again;
            a tool that does not know how its call ended raises ToolUncertain.

    Raises:
        ToolError: the arguments do not fit, or the tool says that it could not do it.
        ToolUncertain: it broke down, timed out, or returned what cannot be kept. For a tool with
            an effect this leaves open whether the effect took place.
    """
    tries = max(attempts, 1) if tool.idempotent else 1
    for number in range(1, tries + 1):
        try:
            returned = await _attempt(tool, arguments, ctx, deadline)
            break
        except ToolUncertain:
            pause = _FIRST_PAUSE * 2 ** (number - 1)
            if number == tries or _left(deadline, pause) <= 0:
                raise
            await asyncio.sleep(pause)
    return await _kept(tool, returned)


async def _attempt(
    tool: Tool, arguments: Mapping[str, Any], ctx: ToolContext, deadline: float | None
) -> Any:
    given = tool.call_arguments(arguments)
    if tool.context_parameter is not None:
        given[tool.context_parameter] = ctx
    seconds = min(tool.timeout, _left(deadline))
    if seconds <= 0:
        raise ToolError(f"{tool.name} was not begun: no time is left for this step")
    try:
        return await bounded_call(tool.function, given, seconds=seconds, key=ctx.idempotency_key)
    except ToolError as error:
        kind = ToolUncertain if isinstance(error, ToolUncertain) else ToolError
        raise kind(_bounded(plain_text(error.message)), hint=error.hint) from None
    except CallHung as hung:
        if not hung.started:
            raise ToolError(f"{tool.name} was not begun: too many calls hang") from None
        raise ToolUncertain(f"{tool.name} did not answer within {seconds:g} s") from None
    except CallStopped as stopped:
        raise ToolUncertain(f"{tool.name} broke down: {stopped}") from None
    except Exception as error:
        raise ToolUncertain(f"{tool.name} failed: {told(error, tool)}") from None


async def _kept(tool: Tool, returned: Any) -> Any:
    try:
        return await worked(plain_json, returned)
    except NotPlain as error:
        kind = ToolUncertain if tool.consequential else ToolError
        raise kind(f"{tool.name} returned what cannot be kept: {error}") from None
    except Exception as error:
        kind = ToolUncertain if tool.consequential else ToolError
        raise kind(f"{tool.name} returned what cannot be read: {type(error).__name__}") from None


def told(error: BaseException, tool: Tool) -> str:
    """Return what may be said of an exception: the words of a ToolError, the type of any other.

    Words that nobody meant for readers may hold keys, personal data or text of documents. Where
    the exception was raised goes to the log of the tool's authors, without any value.
    """
    if isinstance(error, ToolError):
        return _bounded(plain_text(error.message))
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        _LOG.warning("%s raised %s at %s", tool.name, kind, place)
    return kind


def _bounded(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def _left(deadline: float | None, spent: float = 0.0) -> float:
    """Return the seconds that are left until the deadline."""
    if deadline is None:
        return float("inf")
    return deadline - asyncio.get_running_loop().time() - spent
