"""LangSmith's own `evaluate` and `aevaluate` over the real desk, against the stub."""

import os
import subprocess
import sys
import textwrap
import warnings

import langsmith as ls
import pytest

import concertmaster as cm
from concertmaster.contracts import Approve
from concertmaster.errors import ConfigError
from concertmaster.evaluation.cases import Case
from concertmaster.evaluation.dataset import read_dataset
from concertmaster.evaluation.evaluators import EVALUATORS
from concertmaster.evaluation.experiments import (
    case_of,
    example_of,
    langsmith_evaluators,
    target_for,
    traces_sent,
)
from concertmaster.evaluation.exporting import upload_cases

SOME = {key: EVALUATORS[key] for key in ("outcome", "policy", "trajectory", "grounding")}
QUIET = "error:.*:DeprecationWarning"


@pytest.fixture
def twenty(write, client):
    """Store a dataset of 20 examples, two of which wait for a person."""
    cases = []
    for n in range(20):
        waits = n in (3, 9)
        expected = {
            "status": "awaiting_review" if waits else "answered",
            "effects": [] if waits else ["refund"],
            "tools": [{"tool": "refund"}],
            "tools_match": "superset",
        }
        cases.append(
            {
                "id": f"c{n}",
                "principal": "ana",
                "messages": [f"refund {80 if waits else 20} euros for order {100 + n}"],
                "expected": expected,
            }
        )
    upload_cases(client, "refunds", read_dataset(write(*cases)).cases)
    return cases


def test_evaluate_over_twenty_examples_two_of_them_interrupted(workspace, server, client, twenty):
    with target_for(workspace) as target:
        found = ls.evaluate(
            target, data="refunds", evaluators=langsmith_evaluators(SOME), client=client
        )
    client.flush()
    assert server.faults() == []
    scores = {(f["key"], f["score"]) for f in server.feedback if f["score"] is not None}
    assert scores == {("outcome", 1), ("policy", 1), ("trajectory", 1), ("grounding", 1)}
    assert sum(f["key"] == "outcome" for f in server.feedback) == 20

    (experiment,) = [p for p in server.projects if p["reference_dataset_id"]]
    assert experiment["name"] == found.experiment_name
    roots = [r for r in server.runs if r.get("reference_example_id")]
    assert {r["reference_example_id"] for r in roots} == {e["id"] for e in server.examples}
    assert all(r["session_name"] == experiment["name"] for r in roots)
    assert {f["run_id"] for f in server.feedback} == {r["id"] for r in roots}
    assert [r.get("error") for r in roots] == [None] * 20
    statuses = [r["outputs"]["turns"][0]["status"] for r in roots]
    assert statuses.count("awaiting_review") == 2
    interrupted = [r for r in server.runs if "GraphInterrupt" in str(r.get("error"))]
    assert {r["name"] for r in interrupted} == {"human_review"}


async def test_aevaluate_with_a_reviewer_who_approves(workspace, server, client, twenty):
    def approve(approval):
        return "li", Approve(reason="fine")

    async with target_for(workspace, reviewer=approve) as target:
        found = await ls.aevaluate(
            target.aplay,
            data="refunds",
            evaluators=langsmith_evaluators({"outcome": EVALUATORS["outcome"]}),
            client=client,
            max_concurrency=2,
        )
    rows = [row async for row in found]
    client.flush()
    assert server.faults() == []
    scores = [row["evaluation_results"]["results"][0].score for row in rows]
    assert (len(scores), scores.count(0)) == (20, 2)
    comments = [row["evaluation_results"]["results"][0].comment for row in rows]
    assert any("ended as answered instead of awaiting_review" in str(c) for c in comments)


async def test_open_desk_is_a_target_too(workspace, home, server, client, twenty):
    async with cm.open(workspace, home=home) as desk, target_for(desk) as target:
        found = await ls.aevaluate(
            target.aplay,
            data="refunds",
            evaluators=langsmith_evaluators({"outcome": EVALUATORS["outcome"]}),
            client=client,
        )
        rows = [row async for row in found]
        assert len(await desk.threads()) == 20
        await traces_sent(desk)
    client.flush()
    assert all(row["evaluation_results"]["results"][0].score == 1 for row in rows)
    assert server.faults() == []


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_nothing_is_sent_where_results_are_not_uploaded(
    workspace, server, client, twenty, kind
):
    before = len(server.requests)
    offline = ls.Client(api_url=server.url, api_key="k", info={}, tracing_sampling_rate=0.0)
    examples = list(client.list_examples(dataset_name="refunds"))[:3]
    read = len(server.requests)
    options = {
        "data": examples,
        "evaluators": langsmith_evaluators({"outcome": EVALUATORS["outcome"]}),
        "client": offline,
        "upload_results": False,
    }
    import asyncio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with target_for(workspace) as target:
            if kind == "async":
                found = await ls.aevaluate(target.aplay, **options)
                scores = [r["evaluation_results"]["results"][0].score async for r in found]

        def in_a_thread():
            with target_for(workspace) as target:
                found = ls.evaluate(target, **options)
                return [r["evaluation_results"]["results"][0].score for r in found]

        if kind == "sync":
            scores = await asyncio.to_thread(in_a_thread)
    offline.close(timeout=5)
    assert scores == [1, 1, 1]
    assert [r.path for r in server.requests[read:]] == []
    assert before < read


def test_example_becomes_the_case_it_was(write, small, large):
    many = {**small, "id": "many", "messages": [{"text": "a", "expected": {"intent": "x"}}, "b"]}
    for case in read_dataset(write(small, large, many)).cases:
        example = example_of(case)
        again = case_of(example["inputs"], example["reference_outputs"], "e")
        assert again.turns == case.turns
        assert again.reviewer == case.reviewer


def test_example_of_ones_own_needs_a_message_and_a_principal():
    case = case_of({"message": "hello", "principal": "ana"}, None, "e")
    assert isinstance(case, Case)
    with pytest.raises(ConfigError, match="example e-1 is no case: principal"):
        case_of({"message": "hello"}, None, "e-1")


def test_target_that_is_not_open_says_so():
    with pytest.raises(ConfigError, match="not open"):
        target_for("nowhere")({"message": "x", "principal": "ana"})


def test_target_that_is_called_by_its_own_reviewer_says_so(workspace):
    """It would wait for itself for ever."""
    refused = []

    def reviewer(_):
        try:
            target({"message": "refund 20 euros for order 7", "principal": "ana"})
        except ConfigError as error:
            refused.append(error.hint)

    with target_for(workspace, reviewer=reviewer) as target:
        target({"message": "refund 80 euros for order 8", "principal": "ana"})
    assert refused == ["await `target.aplay` there"]


def test_pytest_plugin_of_langsmith_works(workspace, server, tmp_path):
    test = tmp_path / "test_refunds.py"
    test.write_text(
        textwrap.dedent(
            f"""
            import pytest
            from langsmith import testing as t
            from concertmaster.evaluation.experiments import target_for

            @pytest.mark.langsmith
            def test_small_refund():
                inputs = {{"messages": ["refund 20 euros for order 1"], "principal": "ana"}}
                t.log_inputs(inputs)
                with target_for({str(workspace)!r}) as target:
                    outputs = target(inputs)
                t.log_outputs(outputs)
                t.log_feedback(key="answered", score=outputs["turns"][0]["status"] == "answered")
                assert outputs["turns"][0]["status"] == "answered"
            """
        )
    )
    environment = {
        **os.environ, **server.environment, "LANGSMITH_TEST_SUITE": "refund tests",
        "LANGCHAIN_TRACING_V2": "true", "LANGSMITH_TEST_CACHE": "",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        check=False, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert [d["name"] for d in server.datasets] == ["refund tests"]
    assert {(f["key"], f["score"]) for f in server.feedback} == {("pass", 1), ("answered", 1)}
    names = [r["name"] for r in server.runs]
    assert "test_small_refund" in names
    assert "refunds" in names
    assert [f for f in server.faults() if "orphan" in f or "no UUID" in f] == []
