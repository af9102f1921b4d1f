"""The facts that policies need beyond a call's arguments: values, never verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from concertmaster.errors import ConfigError, ToolError
from concertmaster.tools.context import ToolContext
from concertmaster.tools.declaration import FactResolver, Tool
from concertmaster.tools.execution import told
from concertmaster.tools.plain import NotPlain, plain_json
from concertmaster.tools.signature import returned_schema
from concertmaster.tools.threads import CallHung, CallStopped, bounded_call

__all__ = ["resolve_facts"]

_LARGEST = 64 * 1024


async def resolve_facts(
    tool: Tool,
    arguments: Mapping[str, Any],
    ctx: ToolContext,
    timeout: float = 5.0,  # noqa: ASYNC109 - bounded by a thread's time, not by cancelling it
) -> Mapping[str, Any] | None:
    """Return the facts of a call as plain JSON, or None for a tool that declares none.

    The resolver is called with the checked arguments, sync ones off the event loop, once.

    Args:
        tool: whose facts.
        arguments: of the call that is to be decided.
        ctx: of the call.
        timeout: seconds.

    Raises:
        ToolError: the arguments do not fit; the resolver failed, hung, or returned other facts
            than it declares. Whoever decides must then deny.
    """
    if tool.facts is None:
        return None
    checked = tool.validate(arguments)
    resolver = partial(tool.facts, checked, ctx)
    try:
        found = await bounded_call(resolver, {}, seconds=timeout, key=f"facts:{tool.name}")
    except (CallHung, CallStopped):
        raise ToolError(
            f"{tool.name}: its facts could not be resolved within {timeout:g} s"
        ) from None
    except Exception as error:
        raise ToolError(
            f"{tool.name}: its facts could not be resolved ({told(error, tool)})"
        ) from None
    return _fitting(tool, tool.facts, found)


def _fitting(tool: Tool, resolver: FactResolver, found: Any) -> Mapping[str, Any]:
    if found is None:
        raise ToolError(f"{tool.name}: there are no facts about this call")
    try:
        adapter = _adapter(resolver)
        if adapter is not None:
            found = adapter.dump_python(adapter.validate_python(found, strict=True))
        facts = plain_json(found, limit=_LARGEST)
    except ValidationError as error:
        names = ", ".join(".".join(map(str, e["loc"])) or "all" for e in error.errors())
        raise ToolError(f"{tool.name}: its facts are not of the declared types ({names})") from None
    except (NotPlain, ConfigError) as error:
        raise ToolError(f"{tool.name}: its facts cannot be used ({error})") from None
    if not isinstance(facts, dict):
        raise ToolError(f"{tool.name}: its facts are no mapping")
    return facts


@lru_cache(maxsize=512)
def _adapter(resolver: FactResolver) -> TypeAdapter[Any] | None:
    returned = returned_schema(resolver)
    return returned[0] if returned else None
