"""Experiments whose scores one gets whether or not LangSmith does."""

import langsmith as ls
import pytest
from urllib3 import Retry

from concertmaster.evaluation.dataset import read_dataset
from concertmaster.evaluation.online import run_experiment


@pytest.fixture
def cases(write, small, large, waits):
    return read_dataset(write(small, large, waits, {**small, "id": "again"}))


def client_of(url):
    return ls.Client(api_url=url, api_key="k", retry_config=Retry(total=0))


async def test_experiment_is_stored_with_its_scores_and_its_link(workspace, server, cases):
    client = client_of(server.url)
    found = await run_experiment(workspace, cases, client=client, name="refunds")
    client.close(timeout=5)
    assert found.lost == {}
    assert [j.passed for j in found.judged] == [True] * 4
    (experiment,) = [p for p in server.projects if p["reference_dataset_id"]]
    assert found.name == experiment["name"]
    assert experiment["id"] in found.url
    assert {e["metadata"]["case"] for e in server.examples} == {c.id for c in cases.cases}
    assert len([f for f in server.feedback if f["key"] == "outcome" and f["score"] == 1]) == 4
    assert server.faults() == []


async def test_every_case_is_judged_although_langsmith_stops_half_way(workspace, server, cases):
    client = client_of(server.url)
    refused = []

    def reviewer(approval):
        # Asked for the case whose reviewer is not scripted: from here on LangSmith takes nothing.
        refused.append(approval.id)
        server.status = 429

    found = await run_experiment(workspace, cases, client=client, name="refunds", reviewer=reviewer)
    client.close(timeout=1)
    assert refused
    assert [j.passed for j in found.judged] == [True] * 4
    assert list(found.lost) == ["LangSmithRateLimitError"]
    assert found.name is not None


async def test_every_case_is_judged_although_langsmith_cannot_be_reached(workspace, cases):
    client = client_of("http://127.0.0.1:9")
    found = await run_experiment(workspace, cases, client=client, name="refunds")
    client.close(timeout=1)
    assert [j.case.id for j in found.judged] == ["small", "large", "waits", "again"]
    assert [j.passed for j in found.judged] == [True] * 4
    assert (found.name, list(found.lost)) == (None, ["LangSmithConnectionError"])
