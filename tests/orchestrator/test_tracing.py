"""Traces that are good without work, redacted, and never in the way of a run."""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime

import langsmith as ls
import pytest

import concertmaster as cm
from concertmaster.orchestrator.tracing import lost_traces, trace_id
from concertmaster.testing import langsmith_server


@pytest.fixture
def server():
    with langsmith_server() as running:
        yield running


@pytest.fixture
def traced(server):
    """Trace to the stub what happens inside."""
    client = ls.Client(api_url=server.url, api_key="k")
    with ls.tracing_context(enabled=True, client=client, project_name="desk"):
        yield client
    client.close(timeout=5)


async def closed(desk, seconds=10):
    await asyncio.to_thread(desk._segments.traces.close, seconds)


async def test_trace_tells_the_run_its_versions_outcome_approval_and_cost(
    workspace, home, server, traced
):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 80 euros for order 1042", principal="ana", thread="t-1")
        approval = run.pending[0].id
        run = await desk.decide(approval, cm.Approve(), principal="li")
        record = await desk.runs.get(run.id)
        bundle = desk.services.gate.bundle
        await closed(desk)
    assert server.faults() == []
    first, second = [r for r in server.runs if r.get("parent_run_id") is None]
    assert first["id"] == str(trace_id(record))
    for root, outcome, decision in (
        (first, "awaiting_review", "pending"),
        (second, "answered", "approved"),
    ):
        told = root["extra"]["metadata"]
        assert root["name"] == "refunds"
        assert root["session_name"] == "desk"
        assert root.get("error") is None
        assert {"concertmaster", "refunds", f"outcome:{outcome}"} <= set(root["tags"])
        assert told["thread_id"] == "t-1"
        assert told["concertmaster_run"] == run.id
        assert told["policies"] == bundle
        assert told["graph"].startswith("sha256:")
        assert told["outcome"] == outcome
        assert told["approvals"] == [approval]
        assert told["decisions"] == [decision]
        assert told["cost_usd"] == 0
    assert first["inputs"] == {"message": "refund 80 euros for order 1042"}
    assert second["outputs"]["status"] == "answered"
    assert all(r["extra"]["metadata"]["thread_id"] == "t-1" for r in server.runs)


async def test_traces_are_redacted_before_they_leave(workspace, home, server, traced):
    secret = "mail me at ana.duarte@mail.example"
    async with cm.open(workspace, home=home) as desk:
        await desk.run(f"refund 20 euros for order 1042, {secret}", principal="ana")
        await closed(desk)
    sent = b"".join(r.body for r in server.requests)
    assert b"refund 20 euros" in sent
    assert b"ana.duarte@mail.example" not in sent


async def test_trace_of_a_program_around_holds_the_run(workspace, home, server, traced):
    async with cm.open(workspace, home=home) as desk:

        @ls.traceable
        async def mine():
            return (await desk.run("refund 20 euros for order 1042", principal="ana")).status

        assert await mine() == "answered"
        await closed(desk)
    traced.flush()
    assert server.faults() == []
    (root,) = [r for r in server.runs if r.get("parent_run_id") is None]
    assert root["name"] == "mine"
    assert len({r["trace_id"] for r in server.runs}) == 1


async def test_nothing_is_traced_unless_it_is_asked_for(workspace, home, server):
    client = ls.Client(api_url=server.url, api_key="k")
    for enabled in (False, "local"):
        with ls.tracing_context(enabled=enabled, client=client):
            async with cm.open(workspace, home=home) as desk:
                await desk.run("refund 20 euros for order 1042", principal="ana")
                assert desk._segments.traces._clients == {}
    client.close(timeout=5)
    assert [r for r in server.requests if r.path.startswith("/runs")] == []


async def test_tracing_that_cannot_begin_is_counted_and_sends_nothing_unredacted(
    workspace, home, server, traced, monkeypatch
):
    def broken(self, like):
        raise RuntimeError("no client today")

    monkeypatch.setattr("concertmaster.orchestrator.tracing.Traces._redacting", broken)
    before = lost_traces().get("RuntimeError", 0)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 20 euros for order 1042", principal="ana")
    assert run.status == "answered"
    assert lost_traces()["RuntimeError"] == before + 1
    traced.flush()
    assert server.runs == ()


async def test_slow_service_keeps_nobody_waiting(workspace, home, server, traced):
    server.delay = 300.0
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 20 euros for order 1042", principal="ana")
        assert run.status == "answered"
        await closed(desk, 0.1)
    # The run and the desk are over before the service has answered anything at all.
    # What the client asks of the service by itself, at times of its own choosing, is no trace.
    assert [r for r in server.requests if r.path != "/info"] == []


@pytest.mark.parametrize("status", [429, 500, 401])
async def test_refused_traces_are_counted_and_the_run_goes_on(
    workspace, home, server, traced, status, caplog, monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda _: None)
    server.status = status
    before = sum(lost_traces().values())
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 20 euros for order 1042", principal="ana")
        assert run.status == "answered"
        await closed(desk)
    assert sum(lost_traces().values()) > before
    assert any("traces were not delivered" in r.message for r in caplog.records)
    assert server.runs == ()


def test_process_ends_although_langsmith_cannot_be_reached(workspace, home):
    environment = {
        **os.environ,
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:9",
        "LANGSMITH_API_KEY": "k",
        "LANGCHAIN_TRACING_V2": "true",
        "CONCERTMASTER_DEBUG": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "concertmaster", "run", str(workspace), "--home", str(home),
         "refund 20 euros for order 1042", "--as", "ana"],
        check=False, capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "20.00" in done.stdout
    assert "traces were not delivered (" in done.stderr


async def test_trace_id_follows_from_the_run_alone_and_is_of_version_7(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 20 euros for order 1042", principal="ana")
        record = await desk.runs.get(run.id)
    found = trace_id(record)
    assert found == trace_id(record.model_copy(update={"text": "other"}))
    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    assert found.int >> 80 == int(datetime.fromisoformat(record.created).timestamp() * 1000)
    assert datetime.fromtimestamp((found.int >> 80) / 1000, UTC).year >= 2026
