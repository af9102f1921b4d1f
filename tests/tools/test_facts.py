import time
from collections.abc import Mapping
from typing import Any

import pytest
from typing_extensions import TypedDict

from concertmaster.errors import ToolError
from concertmaster.tools import Tool, ToolContext, declare
from concertmaster.tools.facts import resolve_facts


class OrderFacts(TypedDict):
    total: int
    owner: str


def tool_with(resolver: Any) -> Tool:
    def refund(order: int) -> None: ...

    return declare(refund, effect="write", facts=resolver)


async def test_tool_without_facts_has_none(ctx: ToolContext) -> None:
    assert await resolve_facts(tool_with(None), {"order": 1}, ctx) is None


async def test_facts_come_from_the_checked_arguments(ctx: ToolContext) -> None:
    def order(arguments: Mapping[str, Any], ctx: ToolContext) -> OrderFacts:
        return {"total": arguments["order"] * 100, "owner": ctx.principal.id}

    async def later(arguments: Mapping[str, Any], ctx: ToolContext) -> OrderFacts:
        return order(arguments, ctx)

    for resolver in (order, later):
        found = await resolve_facts(tool_with(resolver), {"order": "7"}, ctx)
        assert found == {"total": 700, "owner": "ana"}


def of_wrong_type(arguments: Mapping[str, Any], ctx: ToolContext) -> OrderFacts:
    return {"total": "700", "owner": "ana"}  # type: ignore[typeddict-item]


def incomplete(arguments: Mapping[str, Any], ctx: ToolContext) -> OrderFacts:
    return {"total": 700}  # type: ignore[typeddict-item]


def raising(arguments: Mapping[str, Any], ctx: ToolContext) -> OrderFacts:
    raise LookupError("no order 7042")


def hanging(arguments: Mapping[str, Any], ctx: ToolContext) -> OrderFacts:
    time.sleep(0.5)
    return {"total": 1, "owner": "ana"}


def nothing(arguments: Mapping[str, Any], ctx: ToolContext) -> OrderFacts | None:
    return None


def a_list(arguments: Mapping[str, Any], ctx: ToolContext):  # type: ignore[no-untyped-def]
    return [1]


def not_finite(arguments: Mapping[str, Any], ctx: ToolContext) -> dict[str, Any]:
    return {"total": float("nan")}


def too_large(arguments: Mapping[str, Any], ctx: ToolContext) -> dict[str, Any]:
    return {"text": "x" * 100_000}


@pytest.mark.parametrize(
    ("resolver", "told"),
    [
        (of_wrong_type, r"not of the declared types \(total\)"),
        (incomplete, r"not of the declared types \(owner\)"),
        (raising, r"could not be resolved \(LookupError\)"),
        (hanging, "could not be resolved within 0.05 s"),
        (nothing, "no facts about this call"),
        (a_list, "no mapping"),
        (not_finite, "not a finite number"),
        (too_large, "larger than 64 KB"),
    ],
)
async def test_facts_that_cannot_be_relied_on_are_an_error(
    ctx: ToolContext, resolver: Any, told: str
) -> None:
    with pytest.raises(ToolError, match=told):
        await resolve_facts(tool_with(resolver), {"order": 7042}, ctx, timeout=0.05)


async def test_arguments_that_do_not_fit_never_reach_the_resolver(ctx: ToolContext) -> None:
    seen: list[Any] = []

    def order(arguments: Mapping[str, Any], ctx: ToolContext) -> dict[str, Any]:
        seen.append(arguments)
        return {}

    with pytest.raises(ToolError, match="do not fit"):
        await resolve_facts(tool_with(order), {"order": "many"}, ctx)
    assert seen == []
