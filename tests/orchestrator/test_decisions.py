import asyncio

import pytest

import concertmaster as cm
from concertmaster.errors import ApprovalForbidden, ApprovalStale, ApprovalUnknown

LARGE = "Please refund order 1042"


async def waiting(desk, text=LARGE, principal="ana", thread=None):
    run = await desk.run(text, principal=principal, thread=thread)
    assert run.status == "awaiting_review", run.outcome
    return run


async def test_small_refund_needs_nobody(desk, refunds):
    run = await desk.run("refund 20 euros for order 1042", principal="ana")
    assert run.status == "answered"
    assert run.outcome.text == "Refunded 20.00 EUR for order 1042."
    assert refunds() == [(1042, 2000)]


async def test_large_refund_waits_and_is_done_once_when_approved(desk, refunds):
    run = await waiting(desk)
    assert refunds() == []
    assert run.pending[0].needs[0].role == "finance"
    done = await desk.decide(run.pending[0].id, cm.Approve(reason="ok"), principal="li")
    assert (done.status, refunds()) == ("answered", [(1042, 12000)])


async def test_rejected_refund_is_not_done_and_its_reason_is_told(desk, refunds):
    run = await waiting(desk)
    done = await desk.decide(run.pending[0].id, cm.Reject(reason="no receipt"), principal="li")
    assert done.status == "refused"
    assert "no receipt" in done.outcome.text
    assert refunds() == []


async def test_response_takes_the_place_of_the_call(desk, refunds):
    run = await waiting(desk)
    done = await desk.decide(run.pending[0].id, cm.Respond(text="We call you."), principal="li")
    assert (done.status, done.outcome.text) == ("answered", "We call you.")
    assert refunds() == []


async def test_edit_that_policy_permits_runs_as_edited(desk, refunds):
    run = await waiting(desk)
    edit = cm.Edit(arguments={"order_id": 1042, "amount_cents": 4000})
    done = await desk.decide(run.pending[0].id, edit, principal="li")
    assert (done.status, refunds()) == ("answered", [(1042, 4000)])


async def test_edit_that_still_needs_review_is_reviewed_by_somebody_else(desk, refunds):
    run = await waiting(desk)
    edit = cm.Edit(arguments={"order_id": 1042, "amount_cents": 9000})
    again = await desk.decide(run.pending[0].id, edit, principal="li")
    assert again.status == "awaiting_review"
    assert again.pending[0].action.arguments["amount_cents"] == 9000
    with pytest.raises(ApprovalForbidden):
        await desk.decide(again.pending[0].id, cm.Approve(), principal="li")
    done = await desk.decide(again.pending[0].id, cm.Approve(), principal="mo")
    assert (done.status, refunds()) == ("answered", [(1042, 9000)])


async def test_edit_to_what_policy_denies_is_not_done(desk, refunds):
    run = await waiting(desk)
    edit = cm.Edit(arguments={"order_id": 13, "amount_cents": 100})
    done = await desk.decide(run.pending[0].id, edit, principal="li")
    assert (done.status, refunds()) == ("refused", [])


async def test_edit_that_does_not_fit_the_tool_is_not_done(desk, refunds):
    run = await waiting(desk)
    edit = cm.Edit(arguments={"order_id": "all", "sudo": True})
    done = await desk.decide(run.pending[0].id, edit, principal="li")
    assert (done.status, refunds()) == ("refused", [])


@pytest.mark.parametrize("who", ["ana", "sam", "ben"])
async def test_requester_and_people_without_the_role_may_not_decide(desk, refunds, who):
    run = await waiting(desk)
    with pytest.raises(ApprovalForbidden):
        await desk.decide(run.pending[0].id, cm.Approve(), principal=who)
    assert refunds() == []


async def test_answer_twice_is_refused(desk, refunds):
    run = await waiting(desk)
    await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
    with pytest.raises(ApprovalStale):
        await desk.decide(run.pending[0].id, cm.Approve(), principal="mo")
    assert refunds() == [(1042, 12000)]


async def test_unknown_approval_is_refused(desk):
    with pytest.raises(ApprovalUnknown):
        await desk.decide("apr-00000000", cm.Approve(), principal="li")


async def test_two_answers_at_once_have_one_effect(desk, refunds):
    run = await waiting(desk)
    answers = await asyncio.gather(
        desk.decide(run.pending[0].id, cm.Approve(), principal="li"),
        desk.decide(run.pending[0].id, cm.Approve(), principal="mo"),
        return_exceptions=True,
    )
    assert sum(isinstance(a, ApprovalStale) for a in answers) == 1
    assert refunds() == [(1042, 12000)]


async def test_approval_survives_the_process_that_asked(workspace, home, refunds):
    async with cm.open(workspace, home=home) as first:
        run = await waiting(first, thread="t")
    async with cm.open(workspace, home=home) as second:
        assert [a.id for a in await second.approvals()] == [run.pending[0].id]
        done = await second.decide(run.pending[0].id, cm.Approve(), principal="li")
    assert (done.status, refunds()) == ("answered", [(1042, 12000)])


async def test_policy_that_changed_meanwhile_counts(workspace, home, refunds):
    async with cm.open(workspace, home=home) as first:
        run = await waiting(first, thread="t")
    policy = workspace / "policies" / "refunds.cedar"
    stop = '@id("stop") forbid (principal, action == Action::"refund", resource);'
    policy.write_text(policy.read_text() + stop)
    async with cm.open(workspace, home=home) as second:
        done = await second.decide(run.pending[0].id, cm.Approve(), principal="li")
    assert (done.status, refunds()) == ("refused", [])


async def test_policy_that_asks_for_more_meanwhile_is_asked_again(workspace, home, refunds):
    async with cm.open(workspace, home=home) as first:
        run = await waiting(first, thread="t")
    policy = workspace / "policies" / "refunds.cedar"
    policy.write_text(policy.read_text().replace("review:finance", "review:2-of:finance"))
    async with cm.open(workspace, home=home) as second:
        again = await second.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert (again.status, refunds()) == ("awaiting_review", [])
        first_vote = await second.decide(again.pending[0].id, cm.Approve(), principal="li")
        assert first_vote.status == "awaiting_review"
        done = await second.decide(again.pending[0].id, cm.Approve(), principal="mo")
    assert (done.status, refunds()) == ("answered", [(1042, 12000)])


async def test_message_to_a_waiting_thread_is_queued_and_follows(desk, refunds):
    run = await waiting(desk, thread="t")
    queued = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
    assert queued.status == "queued"
    assert (await desk.get(run.id)).pending == run.pending
    await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
    assert (await desk.get(queued.id)).status == "answered"
    assert refunds() == [(1042, 12000), (7, 1000)]


async def test_cancelled_run_voids_its_approval_and_frees_the_thread(desk, refunds):
    run = await waiting(desk, thread="t")
    queued = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
    cancelled = await desk.cancel(run.id, principal="ana")
    assert cancelled.status == "cancelled"
    with pytest.raises(ApprovalStale):
        await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
    assert (await desk.get(queued.id)).status == "answered"
    assert refunds() == [(7, 1000)]


async def test_run_is_cancelled_by_its_owner_only(desk):
    run = await waiting(desk)
    with pytest.raises(cm.ConcertmasterError):
        await desk.cancel(run.id, principal="ben")
    assert (await desk.get(run.id)).status == "awaiting_review"
