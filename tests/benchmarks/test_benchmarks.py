"""Every benchmark runs and ends with one JSON object of the documented keys."""

import json

import pytest

BANK = {
    "queries",
    "hit_at_10",
    "ndcg_at_10",
    "answered",
    "escalated",
    "refused",
    "failed",
    "sentences_supported",
    "internal_leaks",
    "p50_ms",
    "p95_ms",
    "peak_rss",
    "environment",
}
MAIN = {
    "import_ms",
    "help_ms",
    "turn_p50_ms",
    "turn_p95_ms",
    "bytes_200_turns",
    "bytes_100_turns",
    "parallel_threads",
    "parallel_errors",
    "environment",
}


@pytest.mark.parametrize("principal", ["customer", "staff"])
def test_bank_benchmark_runs_on_real_documents_without_a_leak(
    figures, shared_data, tmp_path, principal
):
    lines = (shared_data / "rho_bank" / "documents.jsonl").read_text().splitlines()
    documents = [json.loads(line) for line in lines]
    internal = [d for d in documents if d["title"].startswith("Internal:")][:8]
    public = [d for d in documents if not d["title"].startswith("Internal:")][:24]
    queries = (shared_data / "rho_bank" / "queries_dev.jsonl").read_text().splitlines()[:3]
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps(d) for d in internal + public))
    (tmp_path / "q.jsonl").write_text("\n".join(queries))
    found = figures(
        "benchmarks/rho_bank.py",
        *("--documents", tmp_path / "d.jsonl", "--queries", tmp_path / "q.jsonl"),
        *("--principal", principal),
    )
    assert set(found) >= BANK
    assert found["internal_documents"] == 8
    assert found["internal_leaks"] == 0
    assert found["failed"] == 0


def test_main_job_benchmark_runs(figures):
    found = figures(
        "benchmarks/main_job.py",
        *("--turns", 4, "--thread-turns", 4, "--parallel", 5),
    )
    assert set(found) >= MAIN
    assert found["parallel_errors"] == 0


def test_groundedness_benchmark_runs_with_the_shipped_measure(figures, shared_data):
    found = figures(
        "benchmarks/groundedness.py", "--examples", shared_data / "begin_wow" / "dev.jsonl"
    )
    assert set(found) >= {"examples", "balanced_accuracy", "auroc", "p50_ms", "environment"}
    assert found["examples"] == 430
    assert found["balanced_accuracy"] >= 0.89


@pytest.mark.parametrize("validated", [True, False])
def test_intent_benchmark_runs_on_labelled_messages(figures, shared_data, tmp_path, validated):
    def some(name, intents):
        lines = (shared_data / "clinc150" / name).read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        names = sorted({r["intent"] for r in rows if r["intent"]})[:intents]
        kept = [r for n in names for r in [r for r in rows if r["intent"] == n][:10]]
        kept += [r for r in rows if r["intent"] is None][:10] if validated else []
        (tmp_path / name).write_text("\n".join(map(json.dumps, kept)))
        return tmp_path / name

    command = ["benchmarks/intent.py", "--train", some("train.jsonl", 4)]
    wanted = {"p50_ms", "train_s", "environment"}
    if validated:
        val = some("val.jsonl", 4)
        command += ["--val", val, "--test", val]
        wanted |= {"in_scope_accuracy", "oos_recall", "auroc", "curve"}
    else:
        wanted |= {"accuracy"}
    told = figures(*command)
    assert wanted <= set(told)
    assert told["in_scope"] == 40
    assert all(0 <= told[key] <= 1 for key in wanted & {"in_scope_accuracy", "auroc", "accuracy"})
