"""The benchmarks of retrieval and access run on small inputs and end with the documented keys."""

import json

import pytest


def test_retrieval_benchmark_counts_what_was_found(figures, tmp_path):
    texts = {
        "fees": "A gold card costs four euros a month.",
        "hours": "The branch opens at nine on weekdays.",
        "loans": "A loan is paid back within ten years.",
    }
    lines = [json.dumps({"id": i, "title": i, "content": t}) for i, t in texts.items()]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    queries = [
        {"id": "q1", "text": "What does a gold card cost?", "relevant": ["fees"]},
        {"id": "q2", "text": "When does the branch open?", "relevant": ["hours", "no-such"]},
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, queries)))
    given = ("--documents", tmp_path / "d.jsonl", "--queries", tmp_path / "q.jsonl")
    found = figures("benchmarks/retrieval.py", *given)
    assert (found["queries"], found["documents"], found["hit_at_10"]) == (2, 3, 1.0)
    assert found["recall_at_10"] == pytest.approx(0.75)
    assert found["ndcg_at_10"] == pytest.approx((1 + 1 / (1 + 1 / 1.5849625)) / 2, abs=1e-6)
    assert found["p50_ms"] > 0
    assert "environment" in found


def test_access_benchmark_finds_what_brute_force_finds_and_no_leak(figures):
    found = figures("benchmarks/access.py", "--chunks", 2500, "--queries", 4)
    assert found["chunks"] == 2500
    assert [f["share"] for f in found["filters"]] == [0.001, 0.01, 0.05, 0.1, 0.5]
    for one in found["filters"]:
        assert (one["recall_at_10"], one["leaks"]) == (1.0, 0)
        assert one["p50_ms"] > 0 < one["chroma_p50_ms"]
