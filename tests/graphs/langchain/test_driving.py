"""Calls from several threads and event loops at once, called off in the middle, cut off."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

import concertmaster as cm
from concertmaster.testing import Call

SMALL = Call("send_money", {"to": "ben", "euros": 20})
LOOK = Call("look_up", {"account": "a"})
ONCE = """
@id("once") permit (principal, action == Action::"send_money", resource)
when { context.history.thread.consequential < 1 };
"""
ALL = '@id("all") permit (principal, action, resource);'


@pytest.fixture(params=["memory", "home"])
def where(request, tmp_path):
    """Keep the stores in memory or in a home."""
    return {} if request.param == "memory" else {"home": tmp_path / "home"}


def graph_of(tools, governance) -> Any:
    """Return a graph that makes the calls of the messages it is given, without checkpoints."""
    builder = StateGraph(MessagesState, context_schema=cm.Acting)
    node = ToolNode(
        tools,
        wrap_tool_call=governance.wrap_tool_call,
        awrap_tool_call=governance.awrap_tool_call,
    )
    builder.add_node("tools", node)
    builder.add_edge(START, "tools")
    return builder.compile()


def given() -> dict[str, Any]:
    """Return the same messages with the same call each time."""
    call = {"name": "send_money", "args": {"to": "ben", "euros": 20}, "id": "c-1"}
    said = HumanMessage("Please send 20 to ben", id="m-1")
    return {"messages": [said, AIMessage("", id="m-2", tool_calls=[call])]}


def test_of_many_threads_and_loops_at_once_one_passes_a_limit(where, bank, govern, agent, results):
    governance = govern(bank, ONCE, **where)
    calls = [Call("send_money", {"to": f"n{n}", "euros": 1}) for n in range(8)]
    made = [agent(bank.tools(), governance, call, "Done.") for call in calls]
    start = threading.Barrier(len(made))

    def run(number: int) -> Any:
        start.wait()
        one = made[number]
        return one.ask() if number % 2 else asyncio.run(one.aask())

    with ThreadPoolExecutor(len(made)) as threads:
        states = list(threads.map(run, range(len(made))))
    told = sorted(results(state)[0][0] for state in states)
    assert told == ["error"] * 7 + ["success"]
    assert len(bank.sent) == 1


def test_the_trail_verifies_after_calls_of_many_threads(where, bank, govern, agent):
    governance = govern(bank, **where)
    made = [agent(bank.tools(), governance, SMALL, "Ok.", SMALL, "Ok.") for _ in range(6)]
    for number, one in enumerate(made):
        one.config = {"configurable": {"thread_id": f"t-{number}"}}

    def run(one: Any) -> None:
        one.ask()
        asyncio.run(one.aask())

    with ThreadPoolExecutor(len(made)) as threads:
        list(threads.map(run, made))
    events = governance.events()
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    done = [e.thread for e in events if e.type == "effect.done"]
    assert sorted(done) == sorted(f"t-{n}" for n in range(6) for _ in range(2))
    assert len(bank.sent) == 12


async def test_permitted_call_in_memory_waits_for_no_other_thread(bank, govern, agent, results):
    governance = govern(bank)
    made = agent(bank.tools(), governance, SMALL, "Ok.")
    held, go_on = threading.Event(), threading.Event()

    async def hold() -> None:
        held.set()
        go_on.wait()

    governance.background.begin(hold)
    held.wait()
    try:
        state = await asyncio.wait_for(made.aask(), timeout=30)
    finally:
        go_on.set()
    assert results(state) == [("success", "sent 20 to ben")]


def test_sync_call_within_a_running_loop_passes(where, bank, govern, agent, results):
    made = agent(bank.tools(), govern(bank, **where), SMALL, "Ok.")

    async def program() -> Any:
        return made.ask()

    assert results(asyncio.run(program())) == [("success", "sent 20 to ben")]


def slow_bank(bank) -> SimpleNamespace:
    """Return tools that wait until they are told to go on."""
    begun, go_on = threading.Event(), threading.Event()

    @tool
    async def send_money(to: str, euros: int) -> str:
        """Send money to an account."""
        bank.sent.append((to, euros))
        begun.set()
        while not go_on.is_set():
            await asyncio.sleep(0.005)
        return f"sent {euros} to {to}"

    @tool
    async def look_up(account: str) -> str:
        """Look an account up."""
        bank.sent.append((account, 0))
        begun.set()
        while not go_on.is_set():
            await asyncio.sleep(0.005)
        return "it is there"

    declared = [
        cm.declare(send_money, effect="irreversible"),
        cm.declare(look_up, effect="read"),
    ]
    return SimpleNamespace(tools=[send_money, look_up], declared=declared, begun=begun, go_on=go_on)


async def called_off(slow, made) -> None:
    """Begin a call and cancel it once its tool runs."""
    running = asyncio.create_task(made.aask())
    while not slow.begun.is_set():
        await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_call_that_was_called_off_is_not_made_again(where, bank, govern, agent, people):
    slow = slow_bank(bank)
    governance = govern(bank, ALL, tools=slow.declared, **where)
    made = agent(slow.tools, governance, SMALL, "Ok.")
    await called_off(slow, made)
    slow.go_on.set()
    state = await made.graph.ainvoke(None, made.config, context=cm.Acting(principal=people.ana))
    assert "nobody knows whether it took effect" in state["messages"][-2].text
    assert bank.sent == [("ben", 20)]
    assert [e.type for e in governance.events()].count("effect.in_doubt") == 2


async def test_look_up_that_was_called_off_is_made_again(where, bank, govern, agent, people):
    slow = slow_bank(bank)
    made = agent(slow.tools, govern(bank, ALL, tools=slow.declared, **where), LOOK, "Ok.")
    await called_off(slow, made)
    slow.go_on.set()
    state = await made.graph.ainvoke(None, made.config, context=cm.Acting(principal=people.ana))
    assert state["messages"][-2].text == "it is there"
    assert bank.sent == [("a", 0), ("a", 0)]


def test_the_same_call_on_two_loops_at_once_is_made_once(where, bank, govern, people):
    slow = slow_bank(bank)
    graph = graph_of(slow.tools, govern(bank, ALL, tools=slow.declared, **where))
    acting = cm.Acting(principal=people.ana)

    def run() -> str:
        return asyncio.run(graph.ainvoke(given(), context=acting))["messages"][-1].text

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(run)
        slow.begun.wait()
        second = threads.submit(run)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.3)
        slow.go_on.set()
        assert first.result() == second.result() == "sent 20 to ben"
    assert bank.sent == [("ben", 20)]


async def test_who_is_called_off_while_waiting_for_the_same_call_leaves_its_place(
    where, bank, govern, people
):
    slow = slow_bank(bank)
    graph = graph_of(slow.tools, govern(bank, ALL, tools=slow.declared, **where))
    acting = cm.Acting(principal=people.ana)
    first = asyncio.create_task(graph.ainvoke(given(), context=acting))
    while not slow.begun.is_set():
        await asyncio.sleep(0.005)
    second = asyncio.create_task(graph.ainvoke(given(), context=acting))
    await asyncio.sleep(0.1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    slow.go_on.set()
    assert (await first)["messages"][-1].text == "sent 20 to ben"
    third = await asyncio.wait_for(graph.ainvoke(given(), context=acting), timeout=30)
    assert third["messages"][-1].text == "sent 20 to ben"
    assert bank.sent == [("ben", 20)]


async def test_call_that_is_called_off_before_it_is_made_may_be_made_later(
    tmp_path, bank, govern, people
):
    governance = govern(bank, home=tmp_path / "home")
    graph = graph_of(bank.tools(), governance)
    acting = cm.Acting(principal=people.ana)
    go_on = threading.Event()
    governance._stores.database.submit(lambda _: go_on.wait())  # what is written now has to wait
    running = asyncio.create_task(graph.ainvoke(given(), context=acting))
    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.sleep(0.1)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bank.sent == []
    state = await asyncio.wait_for(graph.ainvoke(given(), context=acting), timeout=30)
    assert state["messages"][-1].text == "sent 20 to ben"
    whys = [e.why for e in governance.events() if e.type == "effect.failed"]
    assert whys == ["it was called off before it was made"]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_call_that_is_called_off_while_facts_are_looked_up_is_not_begun(
    kind, where, bank, govern, people
):
    begun, go_on, slow = threading.Event(), threading.Event(), [True]

    def wait(arguments: Any, ctx: Any) -> dict[str, Any]:
        begun.set()
        if slow:
            go_on.wait()
        return {"known": True}

    async def wait_async(arguments: Any, ctx: Any) -> dict[str, Any]:
        begun.set()
        while slow and not go_on.is_set():
            await asyncio.sleep(0.005)
        return {"known": True}

    tools = bank.tools()[:1]
    resolver = wait if kind == "sync" else wait_async
    declared = [cm.declare(tools[0], effect="irreversible", facts=resolver)]
    governance = govern(bank, ALL, tools=declared, **where)
    graph = graph_of(tools, governance)
    acting = cm.Acting(principal=people.ana)
    running = asyncio.create_task(graph.ainvoke(given(), context=acting))
    while not begun.is_set():
        await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (bank.sent, governance.events()) == ([], [])
    slow.clear()
    go_on.set()
    state = await asyncio.wait_for(graph.ainvoke(given(), context=acting), timeout=30)
    assert state["messages"][-1].text == "sent 20 to ben"


def test_async_facts_are_looked_up_on_one_loop_for_callers_of_all(bank, govern, people):
    loops = []

    async def facts(arguments: Any, ctx: Any) -> dict[str, Any]:
        loops.append(asyncio.get_running_loop())
        return {"known": True}

    tools = bank.tools()[:1]
    declared = [cm.declare(tools[0], effect="irreversible", facts=facts)]
    graph = graph_of(tools, govern(bank, ALL, tools=declared))
    for _ in range(2):
        asyncio.run(graph.ainvoke(given(), context=cm.Acting(principal=people.ana)))
    assert len(loops) == 2
    assert loops[0] is loops[1]


async def test_failing_tool_raises_and_is_not_repeated_async(where, bank, govern, people):
    async def send_money(to: str, euros: int) -> str:
        """Send money."""
        bank.sent.append((to, euros))
        raise OSError("the line broke")

    declared = [cm.declare(send_money, effect="irreversible")]
    graph = graph_of([send_money], govern(bank, ALL, tools=declared, **where))
    acting = cm.Acting(principal=people.ana)
    with pytest.raises(OSError, match="the line broke"):
        await graph.ainvoke(given(), context=acting)
    state = await graph.ainvoke(given(), context=acting)
    assert "nobody knows whether it took effect" in state["messages"][-1].text
    assert len(bank.sent) == 1


CRASH = """
import asyncio, os, sqlite3, sys
import concertmaster as cm
sys.path.insert(0, {tests!r})
from test_driving import given, graph_of

def send_money(to: str, euros: int) -> str:
    "Send money."
    found = sqlite3.connect({home!r} + "/governance.db")
    print(*found.execute("SELECT outcome FROM governed_calls").fetchone())
    print(*found.execute("SELECT type FROM audit_events ORDER BY seq DESC").fetchone(), flush=True)
    if {crashes}:
        os._exit(9)
    return "sent"

tools = [cm.declare(send_money, effect="irreversible")]
with cm.Governance.load({policies!r}, tools=tools, home={home!r}) as governance:
    graph = graph_of([send_money], governance)
    acting = cm.Acting(principal=cm.Principal(id="ana"))
    print(asyncio.run(graph.ainvoke(given(), context=acting))["messages"][-1].text)
"""


def test_call_cut_off_by_a_crash_was_on_disk_before_it_and_is_not_repeated(tmp_path):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.cedar").write_text(ALL)
    about = {
        "home": str(tmp_path / "home"),
        "policies": str(tmp_path / "policies"),
        "tests": str(Path(__file__).parent),
    }

    def run(crashes: bool) -> subprocess.CompletedProcess[str]:
        code = CRASH.format(**about, crashes=crashes)
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    first = run(True)
    assert (first.returncode, first.stdout.split()) == (
        9,
        ["begun", "concertmaster.effect.intended"],
    )
    second = run(False)
    assert "nobody knows whether it took effect" in second.stdout
    assert "begun" not in second.stdout


def test_closing_while_calls_are_under_way_ends_them_all(where, bank, govern, people):
    governance = govern(bank, **where)
    graph = graph_of(bank.tools(), governance)
    told: list[Any] = []

    def run(number: int) -> None:
        message = given()
        message["messages"][0].id = f"m-{number}"
        try:
            told.append(graph.invoke(message, context=cm.Acting(principal=people.ana)))
        except cm.ConcertmasterError as error:
            told.append(error)

    with ThreadPoolExecutor(4) as threads:
        running = [threads.submit(run, number) for number in range(24)]
        running[2].result()
        governance.close()
        for one in running:
            one.result(timeout=60)
    assert len(told) == 24
    calls = len(bank.sent)
    with pytest.raises(cm.ConcertmasterError):
        graph.invoke(given(), context=cm.Acting(principal=people.ana))
    assert len(bank.sent) == calls
