"""The benchmark of the server runs and ends with one JSON object of the documented keys."""

LEVEL = {
    "connections",
    "rps",
    "first_event_p50_ms",
    "end_p50_ms",
    "end_p99_ms",
    "echo_rps",
    "desk_rps",
}


def test_serving_benchmark_loses_no_run_and_misses_no_event(figures):
    found = figures(
        "benchmarks/serving.py",
        *("--connections", 2, "--requests", 4, "--idle", 5, "--mixed", 8, "--clients", 2),
    )
    assert set(found["levels"][0]) >= LEVEL
    assert found["idle_streams"] == 5
    assert found["mixed_runs"] > 0
    assert (found["lost_runs"], found["missed_events"], found["doubled_events"]) == (0, 0, 0)
