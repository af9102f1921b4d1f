"""Asking a tool whether a call of unknown outcome took effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from concertmaster.tools.context import ToolContext
from concertmaster.tools.declaration import Tool
from concertmaster.tools.execution import told
from concertmaster.tools.plain import NotPlain, plain_json
from concertmaster.tools.threads import CallHung, CallStopped, bounded_call, still_running

__all__ = ["Found", "Took", "TookNot", "Unknown", "look_up"]


@dataclass(frozen=True)
class Took:
    """The call took effect, with this result."""

    result: Any


@dataclass(frozen=True)
class TookNot:
    """The call had no effect and cannot get one any more."""


@dataclass(frozen=True)
class Unknown:
    """Nobody can tell; `why` is empty when the tool declares no way to look it up."""

    why: str = ""


Found = Took | TookNot | Unknown


async def look_up(tool: Tool, arguments: Mapping[str, Any], ctx: ToolContext) -> Found:
    """Ask the tool's `reconcile`, if it declares one; never raises for what that does.

    A call that was left behind in this process may still take effect, so that it is not found yet
    proves nothing.
    """
    if tool.reconcile is None:
        return Unknown()
    reconcile = partial(tool.reconcile, dict(arguments), ctx)
    key = f"reconcile:{ctx.idempotency_key}"
    try:
        found = await bounded_call(reconcile, {}, seconds=tool.timeout, key=key)
        result = plain_json(found)
    except (CallHung, CallStopped):
        return Unknown("looking it up took too long")
    except NotPlain as error:
        return Unknown(f"what was looked up cannot be kept: {error}")
    except Exception as error:
        return Unknown(f"looking it up failed: {told(error, tool)}")
    if result is not None:
        return Took(result)
    if still_running(ctx.idempotency_key):
        return Unknown("the call still runs")
    return TookNot()
