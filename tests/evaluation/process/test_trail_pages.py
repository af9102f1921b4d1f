"""A long trail is read run by run: the figures are the same, and memory stays small."""

import json
import sqlite3
import tracemalloc

import pytest

from concertmaster.audit import MIGRATIONS
from concertmaster.audit.envelope import to_envelope
from concertmaster.contracts.spec import WorkflowSpec
from concertmaster.errors import StorageError
from concertmaster.evaluation.process import (
    Comparing,
    Spool,
    TrailPages,
    analyse,
    case_of,
    conformance,
    log_of,
    to_ocel,
    write_ocel,
    write_xes,
)
from concertmaster.evaluation.process import trail_pages as module
from concertmaster.storage import Database

WORKFLOW = WorkflowSpec.model_validate(
    {
        "workflow": "desk",
        "steps": [
            {"id": "executor", "agent": "executor"},
            {"id": "responder", "agent": "responder"},
        ],
        "routes": [
            {"when": "!acted", "to": "executor"},
            {"when": "draft == null", "to": "responder"},
            {"when": "verdict != null", "to": "finish"},
        ],
    }
)
BOUND = 3_000_000
"""Bytes that reading 20,000 events may take: half of their texts alone."""


@pytest.fixture
def database(tmp_path):
    opened = Database.open(tmp_path / "home.db", MIGRATIONS)
    yield opened
    opened.close()


def store(database, texts):
    """Store envelopes as they are, without their links: reading does not ask for these."""
    connection = sqlite3.connect(database.path)
    with connection:
        connection.executemany(
            "INSERT INTO audit_events (envelope) VALUES (?)", ((text,) for text in texts)
        )
    connection.close()


@pytest.fixture
def mixed(trail):
    """Runs that go on at the same time, an open one, one that was cut off, one without a hop."""
    for n in (3, 1, 2, 0):
        run = f"run-{n}"
        trail.add(n, "run.received", run=run)
        trail.add(n + 0.5, "run.started", run=run)
        trail.hop(n + 1 + n / 7, "executor", 0, run=run)
        trail.add(n + 2, "model.called", run=run, cost=0.1 * n, model="m")
        trail.add(n + 3, "approval.requested", run=run, approval=f"apr-{n}")
    for n in (0, 1, 2):
        run = f"run-{n}"
        trail.add(20 + n, "approval.answered", run=run, approval=f"apr-{n}", actor="li")
        trail.add(30, "effect.intended", run=run, tool="pay", position=n, attempt=2, call="c")
        trail.hop(31 + n / 3, "responder", 1 if n else 7, run=run)
        trail.hop(32 + n / 3, "finish", 2, run=run)
        trail.add(33, "run.ended", run=run, status="answered" if n else "failed")
    trail.add(40, "run.received", run="run-none")
    trail.add(41, "knowledge.ingested", run=None)
    return trail


@pytest.mark.parametrize("page", [1, 3, 500])
async def test_read_run_by_run_everything_comes_out_the_same(database, mixed, page, monkeypatch):
    monkeypatch.setattr(module, "_PAGE", page)
    store(database, [to_envelope(event) for event in mixed.events])
    events = [event for event in mixed.events if event.run]
    whole = log_of("desk", events)
    trail, comparing = await TrailPages.of(database, ["desk"]), Comparing(WORKFLOW)
    with Spool() as spool:
        async for run, found in trail.runs():
            spool.add(case_of(run, found))
            comparing.add(run, found)
        log = spool.log("desk")
        assert list(log.cases) == list(whole.cases)
        assert (log.cases[0], log.cases[1:]) == (whole.cases[0], list(whole.cases[1:]))
        assert json.dumps(analyse(log).plain()) == json.dumps(analyse(whole).plain())
        assert list(write_xes(log)) == list(write_xes(whole))
        assert log.one_time is whole.one_time is False
    assert comparing.result() == conformance(WORKFLOW, events)
    assert comparing.result().deviations
    parts = [part async for part in write_ocel(trail.events)]
    assert "".join(parts) == json.dumps(to_ocel(events), ensure_ascii=False)


async def test_what_comes_later_and_other_workspaces_are_not_seen(database, mixed):
    texts = [to_envelope(event) for event in mixed.events]
    store(database, texts[:10])
    trail = await TrailPages.of(database, ["desk"])
    store(database, texts[10:])
    assert sum([len(found) async for _, found in trail.runs()]) == 10
    assert len([event async for event in trail.events()]) == 10
    other = await TrailPages.of(database, ["another"])
    assert [run async for run, _ in other.runs()] == []


async def test_a_damaged_event_is_an_error(database, mixed):
    text = to_envelope(mixed.events[0]).replace('"schema_version":1', '"schema_version":99')
    store(database, [text])
    trail = await TrailPages.of(database, ["desk"])
    with pytest.raises(StorageError, match="version 99"):
        _ = [run async for run, _ in trail.runs()]


def test_an_empty_log_has_no_cases():
    with Spool() as spool:
        log = spool.log("desk")
        assert (list(log.cases), log.one_time, analyse(log).cases) == ([], False, 0)


@pytest.fixture
def long(database, reviewed):
    """20,000 events: the same run again and again, with other ids and other times."""
    texts = [to_envelope(event) for event in reviewed.events]
    many = 20_000 // len(texts) + 1

    def made():
        for n in range(many):
            date = f"2026-09-{1 + n % 28:02}T{n % 23:02}:"
            for text in texts:
                other = text.replace("run-1", f"run-{n:06}").replace('"evt-', f'"evt-{n}-')
                yield other.replace("2026-09-01T08:", date)

    listed = list(made())
    assert sum(map(len, listed)) > 2 * BOUND
    store(database, listed)
    return many


async def test_memory_is_bounded_by_the_figures_however_long_the_trail(database, long):
    tracemalloc.start()
    try:
        trail, comparing = await TrailPages.of(database, ["desk"]), Comparing(WORKFLOW)
        with Spool() as spool:
            async for run, found in trail.runs():
                spool.add(case_of(run, found))
                comparing.add(run, found)
            figures = analyse(spool.log("desk"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (figures.cases, comparing.result().fitting) == (long, long)
    assert peak < BOUND
