"""States of threads under retention: the conversation goes on as before, time travel is bounded."""

import operator
import sqlite3
from typing import Annotated

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command
from typing_extensions import TypedDict

import concertmaster as cm
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.errors import UnknownCheckpoint
from concertmaster.orchestrator.home import DATABASE

CONFIG = {"configurable": {"thread_id": "t"}}
KEEP = RetentionSpec(checkpoints={"per_thread": 5})


async def states(desk, config=CONFIG):
    return [s async for s in desk.graph.aget_state_history(config)]


async def talk(desk, numbers, thread="t"):
    """Ask for refunds, some without naming the order, and return what was answered."""
    said = []
    for number in numbers:
        named = f" for order {number}" if number % 3 == 0 else ""
        run = await desk.run(
            f"refund {1 + number % 9} euros{named}", principal="ana", thread=thread
        )
        said.append((run.status, run.outcome.text, run.turn.slots))
    return said


async def test_long_conversation_goes_on_the_same_after_pruning(
    workspace, home, declare, tmp_path, refunds
):
    declare("limits: {window: 6, checkpoints: 200}")
    async with (
        cm.open(workspace, home=home) as pruned,
        cm.open(workspace, home=tmp_path / "other") as whole,
    ):
        assert await talk(pruned, range(120)) == await talk(whole, range(120))
        kept = (await states(pruned))[:5]
        before = len(await states(pruned))
        report = await pruned.prune(rules=KEEP)
        (part,) = report.pruned
        assert part.number == before - 5 == 115
        assert part.bytes > 100_000
        now = await states(pruned)
        assert [(s.config, s.values, s.next) for s in now] == [
            (s.config, s.values, s.next) for s in kept
        ]
        assert await talk(pruned, range(120, 140)) == await talk(whole, range(120, 140))
        here = (await pruned.graph.aget_state(CONFIG)).values["window"]
        there = (await whole.graph.aget_state(CONFIG)).values["window"]
        assert [m["text"] for m in here] == [m["text"] for m in there]
        assert len(here) == 6
    assert len(refunds()) == 140


async def test_time_travel_works_within_what_is_kept_and_is_refused_beyond(
    workspace, home, declare, refunds
):
    declare("retention: {checkpoints: {per_thread: 5}}\nlimits: {checkpoints: 200}")
    async with cm.open(workspace, home=home) as desk:
        await talk(desk, range(0, 30, 3))
        before = await states(desk)
        await desk.prune()
        after = await states(desk)
        assert len(after) == 5
        within, beyond = after[-1].config, before[7].config
        assert (await desk.graph.aget_state(within)).values == before[4].values
        forked = await desk.graph.aupdate_state(within, {"memory": {}})
        assert (await desk.graph.aget_state(forked)).values["turn"] == before[4].values["turn"]
        paid = refunds()
        for attempt in (
            desk.graph.aget_state(beyond),
            desk.graph.aupdate_state(beyond, {"memory": {}}),
            desk.graph.ainvoke({"message": "refund 2 euros for order 3"}, beyond),
            desk.graph.ainvoke(None, beyond),
            desk.graph.ainvoke(Command(resume="wake"), beyond),
        ):
            with pytest.raises(UnknownCheckpoint, match="thread 't' has no state"):
                await attempt
        assert refunds() == paid
        assert len(await states(desk)) == 6  # The five and the fork; nothing was begun beyond.


async def test_fork_within_what_is_kept_makes_no_effect_again(workspace, home, declare, refunds):
    declare("retention: {checkpoints: {per_thread: 3}}")
    async with cm.open(workspace, home=home) as desk:
        await talk(desk, range(0, 30, 3))
        await desk.prune()
        paid = refunds()
        for state in await states(desk):
            await desk.graph.ainvoke(Command(goto="act"), state.config)
            await desk.graph.aupdate_state(state.config, {}, as_node="authorize")
        assert refunds() == paid


async def test_resume_of_a_pruned_thread_through_the_graph_does_nothing(
    workspace, home, declare, later, refunds
):
    declare("retention: {threads: {after: 90d}}")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 60 euros for order 7", principal="ana", thread="t")
        state = await desk.graph.aget_state(CONFIG)
        await desk.decide(run.pending[0].id, cm.Reject(reason="no"), principal="li")
        later(91)
        await desk.prune()
        with pytest.raises(UnknownCheckpoint):
            await desk.graph.ainvoke(Command(resume="wake"), state.config)
        assert not (await desk.graph.aget_state(CONFIG)).values
    assert refunds() == []


async def test_states_go_by_age_and_the_newest_one_stays(workspace, home, declare, later):
    declare("retention: {checkpoints: {after: 7d}}")
    async with cm.open(workspace, home=home) as desk:
        await talk(desk, range(0, 12, 3))
        (newest, *_) = await states(desk)
        later(6)
        assert (await desk.prune()).number == 0
        later(8)
        assert (await desk.prune()).number == 3
        assert [s.config for s in await states(desk)] == [newest.config]
        assert (await talk(desk, [7]))[0][0] == "answered"


async def test_declared_number_stands_in_place_of_the_limit(workspace, home, declare):
    declare("retention: {checkpoints: {per_thread: 2}}\nlimits: {checkpoints: 100}")
    async with cm.open(workspace, home=home) as desk:
        await talk(desk, range(0, 30, 3))
        assert len(await states(desk)) <= 4


async def test_waiting_thread_keeps_every_state_that_it_may_go_on_from(
    workspace, home, declare, later
):
    declare("retention: {checkpoints: {after: 1h}}\nlimits: {checkpoints: 100}")
    async with cm.open(workspace, home=home) as desk:
        await desk.graph.ainvoke({"message": "hello"}, CONFIG)
        run = await desk.run("refund 60 euros for order 7", principal="ana", thread="t")
        later(30)
        (part,) = (await desk.prune()).pruned
        assert (part.number, part.kept[0].why) == (0, "a run is not over")
        done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert done.status == "answered"


async def test_many_states_go_in_several_transactions(workspace, home, declare, monkeypatch):
    declare("limits: {checkpoints: 1000}")
    monkeypatch.setattr("concertmaster.orchestrator.retention.finding.BATCH", 20_000)
    monkeypatch.setattr("concertmaster.orchestrator.retention.checkpoints._MOST", 3)
    async with cm.open(workspace, home=home) as desk:
        await talk(desk, range(60))
        await talk(desk, range(0, 6, 3), "u")
        seen = await desk.prune(dry_run=True, rules=KEEP)
        done = await desk.prune(rules=KEEP)
        assert seen.number == done.number == 55
        told = [e for e in await desk.events() if e.type == "retention.pruned"]
        assert len(told) > 5
        assert sum(e.data["number"] for e in told) == 55
        assert len(await states(desk)) == 5
    connection = sqlite3.connect(home / DATABASE)
    known = "SELECT checkpoint_id FROM checkpoints"
    sql = f"SELECT count(*) FROM writes WHERE checkpoint_id NOT IN ({known})"
    assert connection.execute(sql).fetchone()[0] == 0
    connection.close()


class Differences(TypedDict):
    messages: Annotated[list[str], DeltaChannel(operator.iadd)]


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
async def test_thread_that_is_stored_as_differences_loses_nothing(desk, later, monkeypatch):
    builder = StateGraph(Differences)
    builder.add_node("say", lambda state: {"messages": [f"said {len(state['messages'])}"]})
    builder.add_edge(START, "say")
    builder.add_edge("say", END)
    graph = builder.compile(checkpointer=desk.graph.checkpointer)
    config = {"configurable": {"thread_id": "differs"}}
    for number in range(30):
        await graph.ainvoke({"messages": [f"asked {number}"]}, config)
    before = (await graph.aget_state(config)).values
    later(30)
    rules = RetentionSpec(checkpoints={"per_thread": 2, "after": "1d"})
    (part,) = (await desk.prune(rules=rules)).pruned
    assert part.number == 0
    assert part.kept[0].why == "its states are stored as differences to earlier ones"
    assert (await graph.aget_state(config)).values == before
    assert len(before["messages"]) == 60
    # It would, if the older states were taken for what nobody needs.
    there = "concertmaster.orchestrator.retention.checkpoints._differs"
    monkeypatch.setattr(there, lambda connection, here: False)
    await desk.prune(rules=rules)
    assert len((await graph.aget_state(config)).values["messages"]) < 60
