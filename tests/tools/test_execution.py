import asyncio
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest

from concertmaster.errors import ToolError, ToolUncertain
from concertmaster.tools import Tool, ToolContext, declare
from concertmaster.tools.execution import run_tool
from concertmaster.tools.threads import still_running


def counted(failures: int, **declaration: Any) -> tuple[Tool, list[int]]:
    calls: list[int] = []

    def flaky(order: int) -> int:
        calls.append(order)
        if len(calls) <= failures:
            raise ConnectionError("no route")
        return order

    return declare(flaky, **declaration), calls


async def test_sync_tool_runs_off_the_event_loop_with_its_context(ctx: ToolContext) -> None:
    seen: list[Any] = []
    marker: ContextVar[str] = ContextVar("marker")
    marker.set("here")

    @declare(effect="read")
    def look(order: int, ctx: ToolContext) -> str:
        seen.append(threading.current_thread() is threading.main_thread())
        seen.append(marker.get())
        return ctx.principal.id

    assert await run_tool(look, {"order": 1}, ctx) == "ana"
    assert seen == [False, "here"]


async def test_async_tool_is_awaited_on_the_event_loop(ctx: ToolContext) -> None:
    loop = asyncio.get_running_loop()

    @declare(effect="read")
    async def look(order: int) -> bool:
        return asyncio.get_running_loop() is loop

    assert await run_tool(look, {"order": 1}, ctx) is True


async def test_wrong_arguments_never_reach_the_tool(ctx: ToolContext) -> None:
    tool, calls = counted(0)
    with pytest.raises(ToolError, match="do not fit"):
        await run_tool(tool, {"order": "many"}, ctx)
    assert calls == []


async def test_tool_that_says_no_is_quoted_and_not_tried_again(ctx: ToolContext) -> None:
    calls = []

    @declare(effect="read")
    def look(order: int) -> None:
        calls.append(order)
        raise ToolError("There is no\norder 1042.", hint="look at the letter")

    with pytest.raises(ToolError) as caught:
        await run_tool(look, {"order": 1042}, ctx, attempts=3)
    assert type(caught.value) is ToolError
    assert caught.value.message == "There is no order 1042."
    assert caught.value.hint == "look at the letter"
    assert len(calls) == 1


async def test_unexpected_error_is_one_bounded_line_without_arguments(ctx: ToolContext) -> None:
    @declare(effect="read")
    def look(name: str, lines: list[str]) -> None:
        raise KeyError(f"{name}\nis not here, {lines[0]} " + "x" * 1000)

    with pytest.raises(ToolUncertain) as caught:
        await run_tool(look, {"name": "Ana Weiss", "lines": ["Karlsweg"]}, ctx)
    message = str(caught.value)
    assert "KeyError" in message
    assert "Ana" not in message
    assert "Karlsweg" not in message
    assert "\n" not in message
    assert len(message) < 400
    assert caught.value.__cause__ is None


async def test_read_is_tried_again_until_it_succeeds(ctx: ToolContext) -> None:
    tool, calls = counted(2, effect="read")
    assert await run_tool(tool, {"order": 7}, ctx, attempts=3) == 7
    assert len(calls) == 3


async def test_read_is_tried_no_more_than_allowed(ctx: ToolContext) -> None:
    tool, calls = counted(5, effect="read")
    with pytest.raises(ToolUncertain):
        await run_tool(tool, {"order": 7}, ctx, attempts=2)
    assert len(calls) == 2


async def test_tool_with_an_effect_is_not_tried_again(ctx: ToolContext) -> None:
    tool, calls = counted(1, effect="write")
    with pytest.raises(ToolUncertain):
        await run_tool(tool, {"order": 7}, ctx, attempts=3)
    assert len(calls) == 1


async def test_idempotent_tool_is_tried_again_under_the_same_key(ctx: ToolContext) -> None:
    keys: list[str] = []

    @declare(effect="write", idempotent=True)
    def act(ctx: ToolContext) -> int:
        keys.append(ctx.idempotency_key)
        if len(keys) == 1:
            raise OSError
        return len(keys)

    assert await run_tool(act, {}, ctx, attempts=2) == 2
    assert keys == ["key-1", "key-1"]


async def test_no_attempt_begins_after_the_deadline(ctx: ToolContext) -> None:
    tool, calls = counted(9, effect="read")
    now = asyncio.get_running_loop().time()
    with pytest.raises(ToolError, match="was not begun"):
        await run_tool(tool, {"order": 7}, ctx, deadline=now - 1)
    assert calls == []
    with pytest.raises(ToolUncertain):
        await run_tool(tool, {"order": 7}, ctx, deadline=now + 0.05, attempts=9)
    assert len(calls) == 1


async def test_hanging_sync_tool_is_left_behind_and_known_until_it_ends(ctx: ToolContext) -> None:
    release = threading.Event()

    @declare(effect="write", timeout=0.05)
    def hang() -> None:
        release.wait(10)

    ctx = replace(ctx, idempotency_key="hanging")
    began = time.monotonic()
    with pytest.raises(ToolUncertain, match=r"did not answer within 0\.05 s"):
        await run_tool(hang, {}, ctx)
    assert time.monotonic() - began < 2
    assert still_running("hanging")
    release.set()
    for _ in range(200):
        if not still_running("hanging"):
            break
        await asyncio.sleep(0.01)
    assert not still_running("hanging")


async def test_hanging_async_tool_is_cancelled(ctx: ToolContext) -> None:
    ended = asyncio.Event()

    @declare(effect="read", timeout=0.05)
    async def hang() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    with pytest.raises(ToolUncertain, match="did not answer"):
        await run_tool(hang, {}, ctx)
    assert ended.is_set()


async def test_async_tool_that_ignores_cancelling_is_left_behind(ctx: ToolContext) -> None:
    release = asyncio.Event()

    @declare(effect="read", timeout=0.05)
    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    ctx = replace(ctx, idempotency_key="stubborn")
    with pytest.raises(ToolUncertain, match="did not answer"):
        await run_tool(stubborn, {}, ctx)
    assert still_running("stubborn")
    release.set()
    await asyncio.sleep(0.01)
    assert not still_running("stubborn")


async def test_cancelling_the_caller_cancels_the_tool_and_is_not_swallowed(
    ctx: ToolContext,
) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    @declare(effect="read")
    async def hang() -> None:
        began.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    task = asyncio.create_task(run_tool(hang, {}, ctx, attempts=5))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(ended.wait(), 1)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError])
async def test_tool_cannot_end_the_process_or_its_caller(
    ctx: ToolContext, error: type[BaseException], kind: str
) -> None:
    def leave() -> None:
        raise error

    async def leave_async() -> None:
        raise error

    tool = declare(leave if kind == "sync" else leave_async, effect="read")
    with pytest.raises(ToolUncertain, match="broke down"):
        await run_tool(tool, {}, ctx)


@pytest.mark.parametrize(("effect", "kind"), [("read", ToolError), ("irreversible", ToolUncertain)])
async def test_result_that_is_no_json_is_refused(
    ctx: ToolContext, effect: Any, kind: type[ToolError]
) -> None:
    @declare(effect=effect)
    def look() -> object:
        return {"value": float("nan")}

    with pytest.raises(ToolError, match=r"cannot be kept: the result\.value is not a finite") as e:
        await run_tool(look, {}, ctx)
    assert type(e.value) is kind


async def test_result_beyond_the_hard_limit_is_refused_in_words(ctx: ToolContext) -> None:
    @declare(effect="read")
    def look() -> str:
        return "x" * (64 * 2**20)

    with pytest.raises(ToolError, match="larger than 64 MB"):
        await run_tool(look, {}, ctx)


async def test_many_calls_at_once_all_end(ctx: ToolContext) -> None:
    @declare(effect="read")
    def look(order: int) -> int:
        time.sleep(0.001)
        return order

    found = await asyncio.gather(*(run_tool(look, {"order": i}, ctx) for i in range(200)))
    assert found == list(range(200))


def test_hanging_tool_does_not_keep_the_process_alive() -> None:
    program = """
import asyncio, time
from pathlib import Path
from concertmaster.contracts import Principal
from concertmaster.tools import ToolContext, declare
from concertmaster.tools.execution import run_tool

@declare(effect="read", timeout=0.05)
def hang() -> None:
    time.sleep(60)

ctx = ToolContext(principal=Principal(id="a"), run="r", thread="t", idempotency_key="k",
                  data_dir=Path("."))
try:
    asyncio.run(run_tool(hang, {}, ctx))
except Exception as error:
    print(error)
"""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert "did not answer within 0.05 s" in ended.stdout
    assert time.monotonic() - began < 20
