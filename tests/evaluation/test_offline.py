"""The real desk plays a dataset, on this machine alone."""

import asyncio
import os

import pytest

from concertmaster.errors import ConfigError
from concertmaster.evaluation.dataset import read_dataset
from concertmaster.evaluation.evaluators import EVALUATORS
from concertmaster.evaluation.isolation import isolated
from concertmaster.evaluation.offline import evaluate_offline

BROKEN = {
    "id": "unlucky",
    "principal": "ana",
    "messages": ["refund 20 euros for order 13"],
    "expected": {"effects": []},
}


async def evaluated(workspace, file, **options):
    return await evaluate_offline(workspace, read_dataset(file), **options)


async def test_cases_are_played_reviewed_and_judged(workspace, write, small, large, waits):
    found = await evaluated(workspace, write(small, large, waits))
    assert [j.reasons for j in found.judged] == [(), (), ()]
    by = {j.case.id: j.recorded.turns[0] for j in found.judged}
    assert (by["large"].first, by["large"].status) == ("awaiting_review", "answered")
    assert by["waits"].status == "awaiting_review"
    assert by["small"].tools[1].arguments == {"order_id": 1, "amount_cents": 2000}


async def test_edited_call_is_recorded_with_what_was_called_in_the_end(workspace, write, large):
    edit = {"as": "li", "answer": "edit", "arguments": {"amount_cents": 700}}
    found = await evaluated(workspace, write({**large, "reviewer": [edit]}))
    assert found.judged[0].passed
    assert found.judged[0].recorded.turns[0].tools[1].arguments["amount_cents"] == 700


async def test_cases_see_nothing_of_each_other(workspace, write, small):
    twice = [{**small, "id": f"again-{n}"} for n in range(3)]
    found = await evaluated(workspace, write(*twice), parallel=2)
    assert len(found.passed) == 3


async def test_users_home_stays_as_it_was(workspace, write, small, home):
    await evaluated(workspace, write(small))
    assert list(home.iterdir()) == []


async def test_case_that_fails_in_a_tool_ends_as_a_case_and_the_rest_goes_on(
    workspace, write, small
):
    wrong = {**BROKEN, "expected": {"status": "answered"}}
    found = await evaluated(workspace, write(wrong, small))
    assert [j.passed for j in found.judged] == [False, True]
    assert "message 1 failed: get_order failed" in found.judged[0].reasons[0]


async def test_reviewer_who_may_not_decide_is_told_as_the_cause(workspace, write, large):
    wrong = {**large, "reviewer": [{"as": "ana", "answer": "approve"}]}
    found = await evaluated(workspace, write(wrong))
    assert "CM213" in found.judged[0].reasons[0]
    assert found.judged[0].recorded.turns[0].status == "awaiting_review"


async def test_message_that_the_desk_does_not_accept_fails_its_case(workspace, write, small):
    long = {**small, "messages": ["x" * 90_000]}
    found = await evaluated(workspace, write(long, {**small, "id": "other"}))
    assert [j.passed for j in found.judged] == [False, True]
    assert "CM600" in found.judged[0].reasons[0]


async def test_webhooks_and_foreign_stores_do_not_hold_meanwhile(
    workspace, write, waits, monkeypatch
):
    monkeypatch.setenv("CONCERTMASTER_WEBHOOK_URL", "http://192.0.2.1/hook")
    monkeypatch.setenv("CONCERTMASTER_AUDIT_HEADS", "/nowhere/heads.jsonl")
    found = await evaluated(workspace, write(waits))
    assert (found.refused, found.judged[0].passed) == ({}, True)
    assert os.environ["CONCERTMASTER_WEBHOOK_URL"] == "http://192.0.2.1/hook"


def test_fence_stops_look_ups_and_is_gone_afterwards():
    import sys

    with isolated() as fence, pytest.raises(ConnectionRefusedError):
        sys.audit("socket.getaddrinfo", "api.example.com", 443, 0, 0, 0)
    assert fence.refused == {"api.example.com": 1}
    sys.audit("socket.getaddrinfo", "api.example.com", 443, 0, 0, 0)
    with isolated() as fence:
        sys.audit("socket.getaddrinfo", "localhost", 443, 0, 0, 0)
        sys.audit("socket.getaddrinfo", b"127.0.0.1", 443, 0, 0, 0)
    assert fence.refused == {}


async def test_evaluator_that_raises_is_counted(workspace, write, small, large):
    def moody(case, recorded):
        raise KeyError("mine")

    found = await evaluated(
        workspace, write(small, large), evaluators={**EVALUATORS, "moody": moody}
    )
    assert found.broken == {"moody": 2}
    assert found.passed == ()


async def test_interruption_gives_what_there_is(workspace, write, small):
    many = [{**small, "id": f"n-{n}"} for n in range(50)]
    seen = []

    def told(one):
        seen.append(one)
        if len(seen) == 2:
            task.cancel()

    task = asyncio.create_task(evaluated(workspace, write(*many), told=told))
    found = await task
    assert found.interrupted
    assert 2 <= len(found.judged) < 50
    assert found.total == 50


async def test_number_of_cases_at_once_is_bounded(workspace, write, small):
    with pytest.raises(ConfigError):
        await evaluated(workspace, write(small), parallel=0)
