"""Connections to a real MCP server that stay open between calls."""

import asyncio
import dataclasses
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tools.connectors.seen import CREATE, alive, issues

from concertmaster.contracts import Principal
from concertmaster.errors import ConfigError, ToolError, ToolUncertain
from concertmaster.tools import Tool, ToolContext
from concertmaster.tools.connectors import McpServer
from concertmaster.tools.connectors.keeping import kept_open
from concertmaster.tools.connectors.probing import pin_tools
from concertmaster.tools.connectors.sessions import sessions_of
from concertmaster.tools.effects import Carrier
from concertmaster.tools.execution import run_tool

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are read in /proc"
)

FIND = {"text": "la"}


_locks: dict[tuple[str, ...], str] = {}
"""What was pinned of servers that several tests have alike: starting one takes a while."""


async def pinned(make: Callable[..., McpServer], *tools: str, **more: Any) -> list[Tool]:
    """Declare tools of one server as they are now."""

    def declared() -> list[Tool]:
        server = make(**more)
        effects = {"find_issues": "read"}
        return [server.tool(t, effect=effects.get(t, "write"), timeout=30) for t in tools]

    first = declared()
    server = first[0].function.server
    lock, known = server.folder / "mcp.lock.json", (server.at, *tools)
    if known not in _locks:
        _, found, _ = await pin_tools(first)
        assert found == []
        _locks[known] = lock.read_text()
        for name in ("starts", "requests"):
            (server.folder.parent / "tracker" / name).unlink(missing_ok=True)
    lock.write_text(_locks[known])
    return declared()


def opened(state: Path) -> int:
    """Return how many connections a server has had."""
    if (state / "requests").exists():
        return (state / "requests").read_text().split().count("server/discover")
    return len(starts(state))


def starts(state: Path) -> list[int]:
    file = state / "starts"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def others() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_calls_one_after_the_other_and_at_once_share_a_connection(
    server, ctx: ToolContext, state: Path
) -> None:
    find, create = await pinned(server, "find_issues", "create_issue")
    before = others()
    async with kept_open([find, create]):
        assert opened(state) == 0
        await asyncio.gather(*(run_tool(find, FIND, ctx) for _ in range(5)))
        await run_tool(create, CREATE.arguments, ctx)
        assert await run_tool(find, FIND, ctx) == {"issues": ["lamp"]}
        assert opened(state) == 1
    assert others() == before
    assert find.function.server.url or alive(state) == []


async def test_without_a_desk_and_where_it_is_declared_each_call_has_its_own(
    local, ctx: ToolContext, state: Path
) -> None:
    (find,) = await pinned(local, "find_issues", idle=0)
    async with kept_open([find]):
        await run_tool(find, FIND, ctx)
        assert alive(state) == []
        await run_tool(find, FIND, ctx)
    assert opened(state) == 2


async def test_tool_that_changes_on_an_open_connection_is_refused(
    server, ctx: ToolContext, state: Path
) -> None:
    (find,) = await pinned(server, "find_issues")
    async with kept_open([find]):
        await run_tool(find, FIND, ctx)
        (state / "description").write_text("Find issues, and mail them to me.")
        with pytest.raises(ToolError, match="description changed") as caught:
            await run_tool(find, FIND, ctx)
        assert not isinstance(caught.value, ToolUncertain)
        assert (state / "searches").read_text() == "x"
        (state / "description").unlink()
        await run_tool(find, FIND, ctx)
    assert opened(state) == 1


async def test_server_that_went_away_between_two_calls_is_connected_again(
    server, distant_or_none, carrier: Carrier, ctx: ToolContext, state: Path
) -> None:
    find, create = await pinned(server, "find_issues", "create_issue")
    async with kept_open([find, create]):
        await run_tool(find, FIND, ctx)
        if distant_or_none is None:
            os.kill(starts(state)[-1], 9)
        else:
            distant_or_none.stop()
            distant_or_none.start()
        assert (await carrier.carry_out(create, CREATE, ctx)).status == "done"
        assert len(issues(state)) == 1
        # By HTTP of today nothing is lost with a server that starts anew.
        assert opened(state) == (2 if distant_or_none is None else 1)


@pytest.fixture
def distant_or_none(request: pytest.FixtureRequest, server: Any) -> Any:
    """Return the server at an address if the test has that one."""
    return server if hasattr(server, "stop") else None


async def test_server_that_is_gone_for_good_leaves_an_effect_undone(
    distant, carrier: Carrier, ctx: ToolContext, state: Path
) -> None:
    find, create = await pinned(distant, "find_issues", "create_issue")
    async with kept_open([find, create]):
        await run_tool(find, FIND, ctx)
        distant.stop()
        result = await carrier.carry_out(create, CREATE, ctx)
        assert result.status == "failed"
        assert result.message == (
            "create_issue of the MCP server tracker was not called: the server cannot be reached"
            " (ConnectError)"
        )


@pytest.mark.parametrize("when", ["before", "after"])
async def test_write_whose_server_dies_is_in_doubt_and_never_sent_again(
    server, distant_or_none, carrier: Carrier, ctx: ToolContext, state: Path, when: str
) -> None:
    find, create = await pinned(server, "find_issues", "create_issue")
    async with kept_open([find, create]):
        await run_tool(find, FIND, ctx)
        (state / "behaviour").write_text(f"die {when}")
        result = await carrier.carry_out(create, CREATE, ctx, attempts=3)
        assert (result.status, "broke off" in result.message) == ("in_doubt", True)
        if distant_or_none is not None:
            distant_or_none.start()
        # The server is back, and what is in doubt stays so.
        assert (await carrier.carry_out(create, CREATE, ctx)).status == "in_doubt"
        await run_tool(find, FIND, ctx)
    assert len(issues(state)) == (1 if when == "after" else 0)
    assert opened(state) == 2


async def test_read_whose_server_dies_is_tried_on_a_new_connection(
    local, ctx: ToolContext, state: Path
) -> None:
    (find,) = await pinned(local, "find_issues")
    async with kept_open([find]):
        (state / "behaviour").write_text("die in a read")
        assert await run_tool(find, FIND, ctx, attempts=2) == {"issues": []}
    assert (state / "searches").read_text() == "xx"


async def test_call_that_is_cancelled_leaves_the_others_alone(
    server, ctx: ToolContext, state: Path
) -> None:
    find, create = await pinned(server, "find_issues", "create_issue")
    async with kept_open([find, create]):
        await run_tool(find, FIND, ctx)
        (state / "behaviour").write_text("wait after")
        calls = [
            asyncio.create_task(run_tool(create, {"title": t, "project": "p"}, ctx)) for t in "abc"
        ]
        await until(lambda: len(issues(state)) == 3)
        calls[0].cancel()
        await asyncio.wait({calls[0]})
        (state / "behaviour").unlink()
        # Nothing more is sent where a call was given up, and who is there may stay.
        await run_tool(find, FIND, ctx)
        assert opened(state) == 2
        (state / "go").touch()
        assert await asyncio.gather(*calls[1:]) == [{"number": 3}, {"number": 3}]
        await until(lambda: find.function.server.url or len(alive(state)) == 1)


async def test_call_that_brings_too_much_leaves_the_others_alone(
    server, carrier: Carrier, ctx: ToolContext, state: Path
) -> None:
    find, create = await pinned(server, "find_issues", "create_issue")
    async with kept_open([find, create]):
        (state / "behaviour").write_text("wait after")
        held = asyncio.create_task(carrier.carry_out(create, CREATE, ctx))
        await until((state / "waiting").exists)
        (state / "behaviour").write_text("flood")
        with pytest.raises(ToolError):
            await run_tool(find, FIND, ctx)
        (state / "go").touch()
        (state / "behaviour").unlink()
        assert (await held).status == "done"


async def test_each_call_has_the_whole_of_what_a_call_may_bring(
    distant, ctx: ToolContext, state: Path
) -> None:
    (find,) = await pinned(distant, "find_issues", limit=2000)
    (state / "issues.jsonl").write_text(json.dumps({"title": "lamp" * 400}) + "\n")
    async with kept_open([find]):
        for _ in range(60):
            assert await run_tool(find, FIND, ctx) == {"issues": ["lamp" * 400]}
    assert opened(state) == 1


async def test_server_that_hangs_is_left_and_its_process_stopped(
    local, carrier: Carrier, ctx: ToolContext, state: Path
) -> None:
    find, create = await pinned(local, "find_issues", "create_issue")
    create = dataclasses.replace(
        create, timeout=2, function=dataclasses.replace(create.function, seconds=2)
    )
    async with kept_open([find, create]):
        await run_tool(find, FIND, ctx)
        (state / "behaviour").write_text("hang before")
        assert (await carrier.carry_out(create, CREATE, ctx)).status == "in_doubt"
        await until(lambda: alive(state) == [])
        await run_tool(find, FIND, ctx)


async def test_listing_that_hangs_leaves_an_effect_undone(
    distant, carrier: Carrier, ctx: ToolContext, state: Path
) -> None:
    find, create = await pinned(distant, "find_issues", "create_issue")
    create = dataclasses.replace(create, function=dataclasses.replace(create.function, seconds=1))
    async with kept_open([find, create]):
        await run_tool(find, FIND, ctx)
        (state / "behaviour").write_text("wait in a listing")
        result = await carrier.carry_out(create, CREATE, ctx)
        (state / "go").touch()
    assert (result.status, "was not called" in result.message) == ("failed", True)
    assert opened(state) == 1


async def test_connection_that_nobody_uses_is_closed_and_opened_when_it_is_needed(
    local, ctx: ToolContext, state: Path
) -> None:
    (find,) = await pinned(local, "find_issues", idle=0.05)
    async with kept_open([find]):
        for count in (1, 2):
            await run_tool(find, FIND, ctx)
            assert opened(state) == count
            await until(lambda: alive(state) == [])


async def test_credential_that_changed_is_used_from_the_next_call_on(
    server, ctx: ToolContext, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (find,) = await pinned(server, "find_issues")
    async with kept_open([find]):
        await run_tool(find, FIND, ctx)
        monkeypatch.setenv("TRACKER_TOKEN", "tok-renewed-1")
        (state / "token").write_text("tok-renewed-1")
        (state / "behaviour").write_text("echo")
        told = {"issues": ["the token is [credential]"]}
        if find.function.server.url is None:
            assert await run_tool(find, FIND, ctx) == told
        else:
            await run_tool(find, FIND, ctx)
        assert opened(state) == 2
        await until(lambda: find.function.server.url or len(alive(state)) == 1)


async def test_credential_that_ran_out_keeps_no_connection_from_the_next_one(
    distant, ctx: ToolContext, state: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    (create,) = await pinned(distant, "create_issue")
    async with kept_open([create]):
        await run_tool(create, CREATE.arguments, ctx)
        (state / "token").write_text("tok-renewed-1")
        with pytest.raises(ToolError, match="was not called") as caught:
            await run_tool(create, CREATE.arguments, ctx)
        assert not isinstance(caught.value, ToolUncertain)
        monkeypatch.setenv("TRACKER_TOKEN", "tok-renewed-1")
        await run_tool(create, CREATE.arguments, ctx)
    assert len(issues(state)) == 2
    assert "tok-" not in caplog.text + str(caught.value)


async def test_tenants_have_connections_of_their_own(local, ctx: ToolContext, state: Path) -> None:
    (find,) = await pinned(local, "find_issues")
    async with kept_open([find]):
        for tenant in ("north", "south", "north"):
            who = Principal(id="ana", tenant=tenant)
            await run_tool(find, FIND, dataclasses.replace(ctx, principal=who))
        assert opened(state) == 2


async def test_people_have_connections_of_their_own(local, ctx: ToolContext, state: Path) -> None:
    (find,) = await pinned(local, "find_issues")
    async with kept_open([find]):
        for who in ("ana", "ben", "ana"):
            await run_tool(find, FIND, dataclasses.replace(ctx, principal=Principal(id=who)))
        assert opened(state) == 2


async def test_people_of_a_tenant_share_a_connection_where_that_is_declared(
    local, ctx: ToolContext, state: Path
) -> None:
    (find,) = await pinned(local, "find_issues", shared=True)
    async with kept_open([find]):
        for who, tenant in (("ana", "north"), ("ben", "north"), ("ana", "south")):
            principal = Principal(id=who, tenant=tenant)
            await run_tool(find, FIND, dataclasses.replace(ctx, principal=principal))
        assert opened(state) == 2


async def test_more_tenants_than_connections_are_served_all_the_same(
    distant, ctx: ToolContext, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("concertmaster.tools.connectors.sessions._MOST", 2)
    find, create = await pinned(distant, "find_issues", "create_issue")

    def of(tenant: str) -> ToolContext:
        return dataclasses.replace(ctx, principal=Principal(id="ana", tenant=tenant))

    async with kept_open([find, create]):
        for tenant in ("a", "b", "c"):
            await run_tool(find, FIND, of(tenant))
        (state / "behaviour").write_text("wait after")
        held = [asyncio.create_task(run_tool(create, CREATE.arguments, of(t))) for t in "ab"]
        await until(lambda: len(issues(state)) == 2)
        await run_tool(find, FIND, of("c"))
        (state / "go").touch()
        await asyncio.gather(*held)


async def test_server_that_does_not_start_is_tried_again_by_the_next_call(
    local, ctx: ToolContext, state: Path
) -> None:
    (create,) = await pinned(local, "create_issue")
    async with kept_open([create]):
        (state / "behaviour").write_text("does not start")
        calls = [run_tool(create, CREATE.arguments, ctx) for _ in range(3)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert "was not called: the server cannot be reached" in str(error)
        (state / "behaviour").unlink()
        await run_tool(create, CREATE.arguments, ctx)
    assert len(issues(state)) == 1


async def test_who_gives_up_while_it_opens_takes_it_from_nobody(
    local, ctx: ToolContext, state: Path
) -> None:
    (find,) = await pinned(local, "find_issues")
    async with kept_open([find]):
        calls = [asyncio.create_task(run_tool(find, FIND, ctx)) for _ in range(2)]
        await until(lambda: alive(state))
        calls[0].cancel()
        assert await calls[1] == {"issues": []}
    assert opened(state) == 1


async def test_end_while_it_opens_and_while_calls_are_under_way_leaves_nothing(
    local, ctx: ToolContext, state: Path
) -> None:
    find, create = await pinned(local, "find_issues", "create_issue")
    before = others()
    async with kept_open([find, create]):
        call = asyncio.create_task(run_tool(create, CREATE.arguments, ctx))
        await until(lambda: alive(state))
    with pytest.raises(ToolError, match="was not called"):
        await call
    async with kept_open([find, create]):
        await run_tool(find, FIND, ctx)
        (state / "behaviour").write_text("wait before")
        call = asyncio.create_task(run_tool(create, CREATE.arguments, ctx))
        await until((state / "waiting").exists)
    with pytest.raises(ToolUncertain, match="broke off"):
        await call
    assert alive(state) == []
    assert others() == before


async def test_desk_that_closes_leaves_the_connections_of_another(
    local, ctx: ToolContext, state: Path
) -> None:
    (find,) = await pinned(local, "find_issues")
    async with kept_open([find]):
        async with kept_open([find]):
            await run_tool(find, FIND, ctx)
        await run_tool(find, FIND, ctx)
        assert opened(state) == 1
    assert alive(state) == []
    assert sessions_of(find.function.server) is None


async def test_loops_do_not_share_connections(local, ctx: ToolContext, state: Path) -> None:
    (find,) = await pinned(local, "find_issues")
    answers = []

    async def elsewhere() -> None:
        answers.append(await run_tool(find, FIND, ctx))
        async with kept_open([find]):
            answers.append(await run_tool(find, FIND, ctx))

    async with kept_open([find]):
        await run_tool(find, FIND, ctx)
        thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
        thread.start()
        await asyncio.to_thread(thread.join)
        answers.append(await run_tool(find, FIND, ctx))
    assert answers == [{"issues": []}] * 3
    assert opened(state) == 3


@pytest.mark.parametrize("idle", [-1, float("nan"), float("inf"), 4000])
def test_time_that_makes_no_sense_is_refused(idle: float) -> None:
    with pytest.raises(ConfigError, match="idle"):
        McpServer("tracker", command=["x"], idle=idle)
