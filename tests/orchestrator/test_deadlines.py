"""Deadlines and claims over a whole desk: each consequence, and clocks that jump."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

import concertmaster as cm
from concertmaster.contracts import Deadline
from concertmaster.errors import ApprovalError, ApprovalForbidden, ApprovalStale

LARGE = "Please refund order 1042"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def set(self, **since_start: float) -> None:
        self.at = START + timedelta(**since_start)


def with_review(workspace, review: str, policy: str | None = None, people: str = ""):
    """Give the step another review, the policy another obligation."""
    flow = workspace / "workflow.yaml"
    flow.write_text(flow.read_text().replace("review: policy", f"review: {review}"))
    if policy:
        rules = workspace / "policies" / "refunds.cedar"
        rules.write_text(rules.read_text().replace("review:finance", policy))
    known = workspace / "principals.yaml"
    known.write_text(known.read_text() + people)
    return workspace


REJECTED = "{mode: policy, deadline: 4h, at_deadline: reject}"
ESCALATED = "{mode: policy, deadline: 4h, at_deadline: 'escalate:manager'}"
MANAGERS = "  - {id: dora, roles: [manager]}\n  - {id: max, roles: [manager, finance]}\n"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(workspace, home, clock):
    """Open the workspace with a review, by the clock."""
    written = []

    def open_(review: str = REJECTED, policy: str | None = None):
        if not written:
            with_review(workspace, review, policy, MANAGERS)
            written.append(True)
        return Opened(cm.open(workspace, home=home, recover=False), clock)

    return open_


class Opened:
    def __init__(self, opening, clock: Clock) -> None:
        self._opening, self._clock = opening, clock

    async def __aenter__(self):
        desk = await self._opening.__aenter__()
        desk.services.approvals.clock = self._clock
        return desk

    async def __aexit__(self, *error):
        return await self._opening.__aexit__(*error)


async def waiting(desk, thread="t", principal="ana"):
    run = await desk.run(LARGE, principal=principal, thread=thread)
    assert run.status == "awaiting_review", run.outcome
    return run, run.pending[0]


async def types(desk, run):
    return [e.type for e in await desk.events(run=run) if e.type.startswith("approval.")]


# -- rejected at the deadline -------------------------------------------------------------------


async def test_due_time_is_stored_in_utc(opened):
    async with opened() as desk:
        _, approval = await waiting(desk)
        assert approval.due == "2026-03-01T16:00:00.000000+00:00"


async def test_answer_in_time_counts(opened, clock, refunds):
    async with opened() as desk:
        _, approval = await waiting(desk)
        clock.set(hours=3, minutes=59)
        assert await desk.sweep() == []
        done = await desk.decide(approval.id, cm.Approve(), principal="li")
        assert (done.status, refunds()) == ("answered", [(1042, 12000)])
        clock.set(hours=9)
        assert await desk.sweep() == []


async def test_sweep_rejects_what_is_overdue_and_ends_the_run(opened, clock, refunds):
    async with opened() as desk:
        run, approval = await waiting(desk)
        clock.set(hours=4)
        (ended,) = await desk.sweep()
        assert (ended.id, ended.status, refunds()) == (run.id, "refused", [])
        assert "finance did not decide by 2026-03-01 16:00 UTC" in ended.outcome.text
        stored = await desk.services.approvals.get(approval.id)
        assert (stored.status, stored.votes[-1].by) == ("rejected", "deadline")
        assert await types(desk, run.id) == ["approval.requested", "approval.overdue"]


async def test_late_answer_is_refused_even_if_nothing_was_swept(opened, clock, refunds):
    async with opened() as desk:
        run, approval = await waiting(desk)
        clock.set(hours=4)
        with pytest.raises(ApprovalStale, match="deadline is over"):
            await desk.decide(approval.id, cm.Approve(), principal="li")
        assert refunds() == []
        assert (await desk.get(run.id)).status == "refused"


async def test_store_alone_refuses_a_late_answer_and_keeps_to_it(opened, clock):
    async with opened() as desk:
        _, approval = await waiting(desk)
        store = desk.services.approvals
        li = desk.people.admit("li")
        clock.set(hours=5)
        with pytest.raises(ApprovalStale):
            await store.decide(approval.id, cm.Approve(), li)
        clock.set(hours=1)
        with pytest.raises(ApprovalStale):
            await store.decide(approval.id, cm.Approve(), li)


async def test_listing_lets_deadlines_take_effect(opened, clock):
    async with opened() as desk:
        run, _ = await waiting(desk)
        clock.set(hours=5)
        assert await desk.approvals() == []
        assert (await desk.get(run.id)).status == "refused"


async def test_next_message_finds_the_thread_free(opened, clock):
    async with opened() as desk:
        await waiting(desk)
        queued = await desk.run("refund 20 euros for order 1042", principal="ana", thread="t")
        assert queued.status == "queued"
        clock.set(hours=5)
        run = await desk.run("refund 10 euros for order 1042", principal="ana", thread="t")
        assert run.status == "answered"
        assert [r.status for r in await desk.history("t")] == ["refused", "answered", "answered"]


async def test_opening_sweeps(opened, clock, workspace, home):
    async with opened() as desk:
        desk.services.approvals.clock = lambda: datetime(2020, 1, 1, tzinfo=UTC)
        run, _ = await waiting(desk)
    async with cm.open(workspace, home=home) as later:
        assert (await later.get(run.id)).status == "refused"


async def test_run_whose_sweep_was_cut_off_is_taken_up(opened, clock):
    async with opened() as desk:
        run, _ = await waiting(desk)
        clock.set(hours=5)
        await desk.services.approvals.sweep()
        assert (await desk.get(run.id)).status == "awaiting_review"
        assert [r.status for r in await desk.sweep()] == ["refused"]


async def test_sweeps_at_once_have_one_consequence(opened, clock):
    async with opened() as desk:
        run, _ = await waiting(desk)
        clock.set(hours=5)
        await asyncio.gather(*(desk.sweep() for _ in range(5)))
        assert (await types(desk, run.id)).count("approval.overdue") == 1


async def test_clock_set_back_brings_nothing_back(opened, clock):
    async with opened() as desk:
        run, approval = await waiting(desk)
        clock.set(days=400)
        await desk.sweep()
        clock.set(hours=1)
        with pytest.raises(ApprovalStale):
            await desk.decide(approval.id, cm.Approve(), principal="li")
        clock.set(hours=9)
        assert await desk.sweep() == []
        assert (await types(desk, run.id)).count("approval.overdue") == 1


async def test_one_vote_of_two_at_the_deadline_is_not_enough(opened, clock, refunds):
    async with opened(policy="review:2-of:finance") as desk:
        run, approval = await waiting(desk)
        half = await desk.decide(approval.id, cm.Approve(), principal="li")
        assert half.status == "awaiting_review"
        clock.set(hours=4)
        with pytest.raises(ApprovalStale):
            await desk.decide(approval.id, cm.Approve(), principal="mo")
        ended = await desk.get(run.id)
        assert (ended.status, refunds()) == ("refused", [])
        assert "1 of finance did not decide" in ended.outcome.text


async def test_edited_call_waits_with_a_deadline_of_its_own(opened, clock, refunds):
    async with opened() as desk:
        _, approval = await waiting(desk)
        clock.set(hours=3)
        edit = cm.Edit(arguments={"order_id": 1042, "amount_cents": 9000})
        again = await desk.decide(approval.id, edit, principal="li")
        assert again.pending[0].due == "2026-03-01T19:00:00.000000+00:00"
        clock.set(hours=6)
        done = await desk.decide(again.pending[0].id, cm.Approve(), principal="mo")
        assert (done.status, refunds()) == ("answered", [(1042, 9000)])


# -- escalated at the deadline ------------------------------------------------------------------


async def test_escalation_asks_another_role_with_as_much_time_again(opened, clock, refunds):
    async with opened(ESCALATED) as desk:
        run, approval = await waiting(desk)
        clock.set(hours=5)
        (still,) = await desk.sweep()
        (new,) = still.pending
        assert (still.status, [n.role for n in new.needs]) == ("awaiting_review", ["manager"])
        assert (new.replaces, new.due) == (approval.id, "2026-03-01T21:00:00.000000+00:00")
        assert (await desk.services.approvals.get(approval.id)).status == "void"
        with pytest.raises(ApprovalStale):
            await desk.decide(approval.id, cm.Approve(), principal="li")
        with pytest.raises(ApprovalForbidden):
            await desk.decide(new.id, cm.Approve(), principal="li")
        done = await desk.decide(new.id, cm.Approve(), principal="dora")
        assert (done.status, refunds()) == ("answered", [(1042, 12000)])
        assert await types(desk, run.id) == [
            "approval.requested",
            "approval.overdue",
            "approval.requested",
            "approval.refused",
            "approval.refused",
            "approval.answered",
        ]


async def test_escalation_happens_once_then_the_call_is_rejected(opened, clock, refunds):
    async with opened(ESCALATED) as desk:
        run, _ = await waiting(desk)
        clock.set(hours=5)
        await desk.sweep()
        clock.set(hours=10)
        (ended,) = await desk.sweep()
        assert (ended.id, ended.status, refunds()) == (run.id, "refused", [])
        found = await desk.approvals(status=None)
        assert [a.status for a in found] == ["void", "rejected"]


async def test_whoever_answered_before_does_not_decide_the_escalation(opened, clock, refunds):
    async with opened(ESCALATED, policy="review:2-of:finance") as desk:
        _, approval = await waiting(desk)
        await desk.decide(approval.id, cm.Approve(), principal="max")
        clock.set(hours=5)
        ((new,),) = [run.pending for run in await desk.sweep()]
        with pytest.raises(ApprovalForbidden, match="replaces"):
            await desk.decide(new.id, cm.Approve(), principal="max")
        done = await desk.decide(new.id, cm.Approve(), principal="dora")
        assert (done.status, refunds()) == ("answered", [(1042, 12000)])


async def test_escalation_does_not_stand_in_for_what_policy_asks_on_top(opened, clock, workspace):
    async with opened(ESCALATED) as desk:
        run, _ = await waiting(desk)
        clock.set(hours=5)
        ((new,),) = [r.pending for r in await desk.sweep()]
    rules = workspace / "policies" / "refunds.cedar"
    rules.write_text(rules.read_text().replace("review:finance", "review:2-of:finance"))
    async with opened(ESCALATED) as desk:
        again = await desk.decide(new.id, cm.Approve(), principal="dora")
        assert (again.id, again.status) == (run.id, "awaiting_review")
        assert [(n.role, n.count) for n in again.pending[0].needs] == [("finance", 2)]


# -- deadlines that policies set ------------------------------------------------------------------


async def test_deadline_of_a_policy_takes_effect(opened, clock, refunds):
    async with opened("policy", "review:finance, deadline:2h:reject") as desk:
        run, approval = await waiting(desk)
        assert approval.deadline == Deadline(seconds=7200)
        clock.set(hours=2)
        [run] = await desk.sweep()
        assert run.status == "refused"
    assert refunds() == []


async def test_stricter_deadline_of_a_policy_comes_before_the_steps(opened, clock, refunds):
    async with opened(REJECTED, "review:finance, deadline:3h:escalate:manager") as desk:
        run, _ = await waiting(desk)
        clock.set(hours=3)
        [run] = await desk.sweep()
        (asked,) = run.pending
        assert [need.role for need in asked.needs] == ["manager"]
        # The step rejects after four hours, whoever has it by then.
        assert asked.due == (clock.at + timedelta(hours=1)).isoformat(timespec="microseconds")
        clock.set(hours=4)
        with pytest.raises(ApprovalStale, match="its deadline is over"):
            await desk.decide(asked.id, cm.Approve(), principal="dora")
        assert [r.status for r in await desk.history("t")] == ["refused"]
    assert refunds() == []


async def test_stricter_deadline_of_the_step_comes_before_a_policys(opened, clock):
    async with opened(ESCALATED, "review:finance, deadline:6h:reject") as desk:
        await waiting(desk)
        clock.set(hours=4)
        [run] = await desk.sweep()
        (asked,) = run.pending
        assert asked.due == (clock.at + timedelta(hours=2)).isoformat(timespec="microseconds")


async def test_crash_between_escalation_and_waking_loses_nothing(opened, clock, refunds):
    async with opened(ESCALATED) as desk:
        await waiting(desk)
        clock.set(hours=5)
        await desk.services.approvals.sweep()
    async with opened(ESCALATED) as desk:
        (new,) = await desk.approvals()
        done = await desk.decide(new.id, cm.Approve(), principal="dora")
        assert (done.status, refunds()) == ("answered", [(1042, 12000)])


# -- claims -------------------------------------------------------------------------------------


async def test_claim_keeps_others_from_answering_until_it_ends(opened, clock, refunds):
    async with opened() as desk:
        _, approval = await waiting(desk)
        taken = await desk.claim(approval.id, principal="li")
        assert [(c.by, c.role) for c in taken.claims] == [("li", "finance")]
        for answer in (cm.Approve(), cm.Reject()):
            with pytest.raises(ApprovalForbidden, match="claimed by li as finance until"):
                await desk.decide(approval.id, answer, principal="mo")
        with pytest.raises(ApprovalForbidden, match="claimed by li"):
            await desk.claim(approval.id, principal="mo")
        clock.set(minutes=15)
        done = await desk.decide(approval.id, cm.Approve(), principal="mo")
        assert (done.status, refunds()) == ("answered", [(1042, 12000)])


async def test_claimer_answers_and_releases(opened, refunds):
    async with opened() as desk:
        _, approval = await waiting(desk)
        await desk.claim(approval.id, principal="li")
        with pytest.raises(ApprovalForbidden, match="has no claim"):
            await desk.release(approval.id, principal="mo")
        await desk.release(approval.id, principal="li")
        await desk.claim(approval.id, principal="mo", seconds=60)
        done = await desk.decide(approval.id, cm.Approve(), principal="mo")
        assert (done.status, refunds()) == ("answered", [(1042, 12000)])


async def test_claim_holds_one_of_two_places(opened, refunds):
    async with opened(policy="review:2-of:finance") as desk:
        _, approval = await waiting(desk)
        await desk.claim(approval.id, principal="li")
        half = await desk.decide(approval.id, cm.Approve(), principal="mo")
        assert [(c.by) for c in half.pending[0].claims] == ["li"]
        with pytest.raises(ApprovalForbidden, match="claimed by li"):
            await desk.decide(approval.id, cm.Approve(), principal="max")
        done = await desk.decide(approval.id, cm.Approve(), principal="li")
        assert (done.status, refunds()) == ("answered", [(1042, 12000)])


@pytest.mark.parametrize("who", ["ana", "sam"])
async def test_who_may_not_decide_may_not_claim(opened, who):
    async with opened() as desk:
        _, approval = await waiting(desk)
        with pytest.raises(ApprovalForbidden):
            await desk.claim(approval.id, principal=who)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 1e9])
async def test_claim_of_no_time_or_forever_is_refused(opened, seconds):
    async with opened() as desk:
        _, approval = await waiting(desk)
        with pytest.raises(ApprovalError, match="cannot be claimed"):
            await desk.claim(approval.id, principal="li", seconds=seconds)


async def test_deadline_ends_a_claim(opened, clock):
    async with opened() as desk:
        run, approval = await waiting(desk)
        clock.set(hours=3, minutes=55)
        taken = await desk.claim(approval.id, principal="li")
        assert taken.claims[0].until == approval.due
        clock.set(hours=4)
        with pytest.raises(ApprovalStale):
            await desk.decide(approval.id, cm.Approve(), principal="li")
        assert (await desk.get(run.id)).status == "refused"


async def test_claims_at_once_have_one_winner(opened):
    async with opened() as desk:
        _, approval = await waiting(desk)
        both = await asyncio.gather(
            desk.claim(approval.id, principal="li"),
            desk.claim(approval.id, principal="mo"),
            return_exceptions=True,
        )
        assert sum(isinstance(one, ApprovalForbidden) for one in both) == 1


async def test_claim_made_by_a_clock_in_the_future_does_not_hold(opened, clock):
    async with opened() as desk:
        _, approval = await waiting(desk)
        clock.set(hours=2)
        await desk.claim(approval.id, principal="li")
        clock.set(hours=0)
        done = await desk.decide(approval.id, cm.Approve(), principal="mo")
        assert done.status == "answered"


# -- rows that were changed by hand -------------------------------------------------------------


@pytest.mark.parametrize("due", ["never", "2099-01-01T00:00:00.000000+05:00", "2099-01-01"])
async def test_due_time_that_is_no_moment_makes_the_row_damaged(opened, due):
    async with opened() as desk:
        _, approval = await waiting(desk)
        change = "UPDATE approvals SET record = json_set(record, '$.due', ?)"
        await desk.database.write(lambda c: c.execute(change, (due,)))
        with pytest.raises(cm.ConcertmasterError, match="damaged"):
            await desk.decide(approval.id, cm.Approve(), principal="li")


async def test_escalation_keeps_what_the_digest_was_made_of(opened, clock):
    async with opened(ESCALATED) as desk:
        await waiting(desk)
        change = "UPDATE approvals SET record = json_set(record, '$.action.arguments.order_id', 7)"
        await desk.database.write(lambda c: c.execute(change))
        clock.set(hours=5)
        await desk.services.approvals.sweep()
        (new,) = await desk.services.approvals.list(status="pending")
        with pytest.raises(ApprovalStale, match="digest"):
            await desk.decide(new.id, cm.Approve(), principal="dora")
