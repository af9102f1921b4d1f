"""The benchmark of tracing: each way carries out the same runs, and what it shows arrives."""

WAYS = ("none", "audit", "otel", "langsmith", "all")


def test_each_way_is_measured_and_its_spans_arrive(figures):
    told = figures("benchmarks/tracing.py", "--runs", 1, "--rounds", 1, "--warm-up", 1)
    assert all(told[f"{way}_ms"] > 0 for way in WAYS)
    # Two ways send to each receiver, two runs each.
    assert told["sent"]["otlp"]["roots"] == told["sent"]["langsmith"]["roots"] == 4
    assert told["spans_per_run"] > 1
    assert "environment" in told
