"""Stored threads become cases, decisions and ratings become feedback."""

import asyncio

import langsmith as ls
import pytest

import concertmaster as cm
from concertmaster.errors import ConfigError, UnknownRun
from concertmaster.evaluation.dataset import read_dataset
from concertmaster.evaluation.experiments import traces_sent
from concertmaster.evaluation.exporting import export_to_dataset, feedback_of, send_feedback
from concertmaster.evaluation.offline import evaluate_offline
from concertmaster.graphs.workspace import Workspace

MAIL = "ana.duarte@mail.example"


@pytest.fixture
async def desk(workspace, home):
    """Open a desk with one thread: a refund that was approved, and one that was not."""
    async with cm.open(workspace, home=home) as opened:
        run = await opened.run(f"refund 80 euros for order 1, {MAIL}", principal="ana", thread="t")
        await opened.decide(run.pending[0].id, cm.Approve(reason="fine"), principal="li")
        run = await opened.run("refund 90 euros for order 2", principal="ana", thread="t")
        await opened.decide(run.pending[0].id, cm.Reject(reason=f"no, says {MAIL}"), principal="li")
        yield opened


async def test_exported_thread_is_a_case_that_passes_again(desk, workspace, tmp_path):
    file = tmp_path / "exported.jsonl"
    (case,) = await export_to_dataset(desk, ["t"], file)
    assert MAIL not in file.read_text()
    assert case.tags == ("exported",)
    assert [s.expected.status for s in case.turns] == ["answered", "refused"]
    assert case.turns[0].expected.effects == ("refund",)
    assert [(r.who, r.answer) for r in case.reviewer] == [("li", "approve"), ("li", "reject")]
    again = read_dataset(file, Workspace.load(workspace))
    assert again.cases == (case,)


async def test_case_of_one_review_is_played_again_with_the_same_end(workspace, home, tmp_path):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 80 euros for order 1", principal="ana", thread="u")
        edit = cm.Edit(arguments={"order_id": 1, "amount_cents": 700}, reason="less")
        await desk.decide(run.pending[0].id, edit, principal="li")
        await export_to_dataset(desk, None, tmp_path / "x.jsonl")
    found = await evaluate_offline(workspace, read_dataset(tmp_path / "x.jsonl"))
    assert [j.reasons for j in found.judged] == [()]


async def test_threads_go_to_langsmith_without_personal_data(desk, server, client):
    await asyncio.to_thread(client.create_dataset, "mine")
    await export_to_dataset(desk, ["t"], client, name="mine")
    (example,) = server.examples
    assert example["inputs"]["principal"] == "ana"
    assert len(example["outputs"]["turns"]) == 2
    assert MAIL.encode() not in b"".join(r.body for r in server.requests)


async def test_thread_that_is_not_there_is_told(desk, tmp_path):
    with pytest.raises(UnknownRun):
        await export_to_dataset(desk, ["nowhere"], tmp_path / "x.jsonl")
    with pytest.raises(ConfigError):
        await export_to_dataset(desk, [], tmp_path / "x.jsonl")


async def test_decisions_and_ratings_are_feedback_without_personal_data(desk):
    first, second = await desk.history("t")
    await desk.feedback(first.id, principal="ana", value="up", comment=f"thanks, {MAIL}")
    given = {(g.key, g.score, g.value) for g in await feedback_of(desk, first.id)}
    assert given == {("human_decision", 1.0, "approved"), ("user_rating", 1.0, "up")}
    (rejected,) = await feedback_of(desk, second.id)
    assert (rejected.score, rejected.value) == (0.0, "rejected")
    assert rejected.comment.startswith("no, says")
    assert MAIL not in rejected.comment


async def test_feedback_reaches_the_trace_of_its_run_once(workspace, home, server, client):
    with ls.tracing_context(enabled=True, client=client, project_name="desk"):
        async with cm.open(workspace, home=home) as desk:
            run = await desk.run("refund 80 euros for order 1", principal="ana")
            run = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
            await desk.feedback(run.id, principal="ana", value="down", comment="slow")
            await traces_sent(desk)
            for _ in range(2):
                assert await send_feedback(desk, client, project="desk") == 2
    await asyncio.to_thread(client.flush)
    assert server.faults() == []
    roots = {r["id"]: r for r in server.runs if r.get("parent_run_id") is None}
    assert {f["key"]: f["score"] for f in server.feedback} == {
        "human_decision": 1,
        "user_rating": 0,
    }
    assert len(server.feedback) == 2
    for given in server.feedback:
        told = roots[given["run_id"]]["extra"]["metadata"]
        assert told["concertmaster_run"] == run.id
        assert given["feedback_source"]["metadata"]["concertmaster_run"] == run.id
