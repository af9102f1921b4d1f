"""The benchmark of durability: its keys, how it counts and kills, and what it concludes."""

import json
import subprocess
import sys

import pytest

KEYS = {"version", "survives", "p50_ms", "p99_ms", "fsyncs_per_step"}


@pytest.fixture(scope="module")
def bench(request):
    """The benchmark's own modules, as its script sees them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(request.config.rootpath / "benchmarks"))
        from durable import counting, figures, killing, systems

        yield counting, figures, killing, systems


@pytest.fixture(scope="module")
def measured(root):
    """The figures of a short run of two systems, without the peer."""
    done = subprocess.run(
        [
            sys.executable,
            "benchmarks/durable.py",
            *("--runs", "3", "--rounds", "1", "--warm-up", "1", "--counted", "4", "--no-peer"),
            *("--only", "concertmaster", "langgraph_exit"),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_it_runs_without_the_peer_and_tells_its_keys(measured):
    assert set(measured["systems"]) == {"concertmaster", "langgraph_exit"}
    for found in measured["systems"].values():
        assert set(found) >= KEYS
        assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert measured["environment"]["cores"] > 0


def test_every_commit_of_ours_waits_for_the_disk(measured):
    ours = measured["systems"]["concertmaster"]
    assert [c["synchronous"] for c in ours["connections"]] == ["full"]
    if measured["counted_with"] is None:
        assert ours["fsyncs_per_step"] is None
    else:
        # The message, the plan, the intent and the result are apart from each other.
        assert ours["fsyncs_per_run"] >= 4


def test_a_killed_run_of_ours_goes_on_and_its_effect_is_not_repeated(measured):
    found = measured["systems"]["concertmaster"]
    assert found["survives"] == ["sigkill", "power_loss"]
    killed = {place: kills[0] for place, kills in found["killed"].items()}
    assert [(k["run"], k["effects"]) for k in killed.values()] == [
        ("finished", 1),
        ("with a person", 1),
        ("finished", 1),
    ]


def test_a_run_that_was_never_stored_is_told_as_lost(measured):
    found = measured["systems"]["langgraph_exit"]
    assert found["survives"] == []
    assert {kills[0]["run"] for kills in found["killed"].values()} == {"lost"}


def test_nothing_survives_where_an_effect_on_record_was_repeated(bench):
    _, figures, killing, _ = bench
    once, twice = killing.Left("finished", 1, 0), killing.Left("finished", 2, 0)
    left = {place: [once] for place in killing.PLACES}
    full, normal = [("wal", "full")], [("wal", "full"), ("wal", "normal")]
    assert figures.survives(left, full) == ["sigkill", "power_loss"]
    assert figures.survives(left, normal) == ["sigkill"]
    assert figures.survives({**left, "in the last step": [once, twice]}, full) == []
    lost = killing.Left("lost", 1, 0)
    assert figures.survives({**left, "in the first step": [lost]}, full) == []


@pytest.mark.parametrize("way", ["traced", "preloaded"])
def test_both_ways_of_counting_count_the_same(bench, tmp_path, way):
    counting, *_ = bench
    count = getattr(counting, way)(tmp_path)
    if count is None:
        pytest.skip("this machine has not what it needs")
    code = "import os, sys; f = open(sys.argv[1], 'w'); [os.fsync(f.fileno()) for _ in range(5)]"
    code += "; os.fdatasync(f.fileno())"
    done = subprocess.run(
        [*count.before, sys.executable, "-c", code, str(tmp_path / "file")],
        env=count.environment,
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip(f"this machine does not allow {count.name}")
    assert count.read().total() == 6


def test_a_way_that_does_not_work_here_is_passed_over(bench, tmp_path, monkeypatch):
    counting, *_ = bench
    silent = counting.Count("silent", (), counting.Counter)
    monkeypatch.setattr(counting, "traced", lambda folder: silent)
    monkeypatch.setattr(counting, "preloaded", lambda folder: None)
    assert counting.counter(tmp_path) is None
