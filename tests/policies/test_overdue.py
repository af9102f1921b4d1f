"""What follows from deadlines and claims, over the store alone: two connections, odd clocks."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.audit import MIGRATIONS as AUDIT
from concertmaster.audit import Trail
from concertmaster.contracts import (
    Action,
    Approval,
    Approve,
    Deadline,
    Edit,
    Principal,
    Provenance,
    Review,
    ReviewNeed,
    ValueOrigin,
)
from concertmaster.contracts.deadline import utc
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.errors import ApprovalForbidden, ApprovalStale
from concertmaster.policies import MIGRATIONS, Approvals, satisfies
from concertmaster.policies.deadlines import lapsed, overdue
from concertmaster.policies.endorsement import endorses
from concertmaster.storage import Database

ANA = Principal(id="ana", roles=("customer", "manager"))
LI = Principal(id="li", roles=("finance",))
MO = Principal(id="mo", roles=("finance",))
DORA = Principal(id="dora", roles=("manager",))
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REFUND = Action(
    position=0, step="executor", tool="refund", arguments={"cents": 8000}, key="refund", why="twice"
)
FINANCE = (ReviewNeed(role="finance"),)
TWO = (ReviewNeed(role="finance", count=2),)


class Store:
    """Approvals over one file, with a clock that is set by hand."""

    def __init__(self, path: Path) -> None:
        self.database = Database.open(path, (*AUDIT, *MIGRATIONS))
        self.approvals = Approvals(self.database, Trail(self.database, "shop"))
        self.at = NOON
        self.approvals.clock = lambda: self.at

    async def ask(self, deadline: Deadline | None, **changes: Any) -> Approval:
        given: dict[str, Any] = {"run": "run-1", "thread": "t", "requester": ANA, "needs": FINANCE}
        given |= {"reasons": ("large",), "bundle": "b", "deadline": deadline}
        return await self.approvals.request(REFUND, **(given | changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home.db"


@pytest.fixture
def store(path: Path):
    opened = Store(path)
    yield opened
    opened.database.close()


@pytest.fixture
def other(path: Path, store: Store):
    """Return another connection to the same file, as another process would have."""
    opened = Store(path)
    yield opened
    opened.database.close()


HOUR = Deadline(seconds=3600)
ESCALATED = Deadline(seconds=3600, then="escalate:manager")


async def test_two_connections_that_decide_at_once_have_one_winner(store: Store, other: Store):
    asked = await store.ask(HOUR)
    both = await asyncio.gather(
        store.approvals.decide(asked.id, Approve(), LI),
        other.approvals.decide(asked.id, Approve(), MO),
        return_exceptions=True,
    )
    assert sum(isinstance(one, ApprovalStale) for one in both) == 1
    assert len((await store.approvals.get(asked.id)).votes) == 1


async def test_two_connections_that_sweep_at_once_escalate_once(store: Store, other: Store):
    await store.ask(ESCALATED)
    store.at = other.at = NOON + timedelta(hours=2)
    swept = await asyncio.gather(store.approvals.sweep(), other.approvals.sweep())
    assert sorted(len(one) for one in swept) == [0, 1]
    found = await store.approvals.list()
    assert [a.status for a in found] == ["void", "pending"]


async def test_answer_and_sweep_at_once_agree(store: Store, other: Store):
    asked = await store.ask(HOUR)
    other.at = NOON + timedelta(hours=1)
    answered, swept = await asyncio.gather(
        store.approvals.decide(asked.id, Approve(), LI),
        other.approvals.sweep(),
        return_exceptions=True,
    )
    status = (await store.approvals.get(asked.id)).status
    won = isinstance(answered, Approval)
    assert (status, len(swept)) == (("approved", 0) if won else ("rejected", 1))


async def test_claims_of_two_connections_do_not_both_hold(store: Store, other: Store):
    asked = await store.ask(None)
    both = await asyncio.gather(
        store.approvals.claim(asked.id, LI),
        other.approvals.claim(asked.id, MO),
        return_exceptions=True,
    )
    assert sum(isinstance(one, ApprovalForbidden) for one in both) == 1
    assert len((await store.approvals.get(asked.id)).claims) == 1


async def test_asking_again_after_the_deadline_finds_it_rejected(store: Store):
    asked = await store.ask(HOUR)
    store.at = NOON + timedelta(hours=1)
    again = await store.ask(HOUR)
    assert (again.id, again.status) == (asked.id, "rejected")


async def test_asking_again_does_not_move_the_deadline(store: Store):
    asked = await store.ask(HOUR)
    store.at = NOON + timedelta(minutes=30)
    assert (await store.ask(HOUR)).due == asked.due


async def test_act_sees_the_consequence_first(store: Store):
    asked = await store.ask(HOUR)
    store.at = NOON + timedelta(hours=1)
    found = await store.approvals.granted("run-1", 0)
    assert found is not None
    assert (found.id, found.status) == (asked.id, "rejected")


async def test_damaged_row_does_not_keep_others_from_being_swept(store: Store):
    damaged = await store.ask(HOUR)
    fine = await store.ask(HOUR, run="run-2")
    change = "UPDATE approvals SET record = json_remove(record, '$.tool', '$.digest') WHERE id = ?"
    await store.database.write(lambda c: c.execute(change, (damaged.id,)))
    store.at = NOON + timedelta(hours=1)
    assert [a.id for a in await store.approvals.sweep()] == [fine.id]


async def test_requester_with_the_role_does_not_decide_the_escalation(store: Store):
    await store.ask(ESCALATED)
    store.at = NOON + timedelta(hours=1)
    await store.approvals.sweep()
    (new,) = await store.approvals.list(status="pending")
    with pytest.raises(ApprovalForbidden, match="requested"):
        await store.approvals.decide(new.id, Approve(), ANA)


async def test_escalation_meets_what_was_due_and_nothing_more(store: Store):
    await store.ask(ESCALATED, needs=TWO)
    store.at = NOON + timedelta(hours=1)
    await store.approvals.sweep()
    (new,) = await store.approvals.list(status="pending")
    done = await store.approvals.decide(new.id, Approve(), DORA)

    def due(*needs: ReviewNeed) -> Review:
        return Review(call=REFUND.call_digest(), needs=needs)

    assert satisfies(done, due(*TWO))
    assert satisfies(done, due(*FINANCE))
    assert not satisfies(done, due(ReviewNeed(role="finance", count=3)))
    assert not satisfies(done, due(*TWO, ReviewNeed(role="risk")))
    assert not satisfies(done, due(ReviewNeed(role="manager")))
    assert (await store.ask(ESCALATED, needs=TWO)).id == done.id
    assert (await store.ask(ESCALATED, needs=(*TWO, ReviewNeed(role="risk")))).id != done.id


async def test_edit_of_an_escalation_proves_nothing_that_two_should_have_seen(store: Store):
    value = ValueOrigin(path="cents", argument="cents", origin="composed")
    asked = await store.ask(ESCALATED, needs=TWO, provenance=Provenance(values=(value,)))
    store.at = NOON + timedelta(hours=1)
    await store.approvals.sweep()
    (new,) = await store.approvals.list(status="pending")
    assert new.replaces == asked.id
    edited = await store.approvals.decide(new.id, Edit(arguments={"cents": 1}), DORA)
    assert not endorses(edited)


@given(
    moves=st.lists(st.integers(min_value=-5000, max_value=5000), max_size=12),
    zone=st.integers(min_value=-12, max_value=14),
)
def test_whatever_the_clock_does_an_approval_lapses_at_most_once(moves: list[int], zone: int):
    at = NOON.astimezone(timezone(timedelta(hours=zone)))
    approval = Approval(
        id="apr-1",
        run="run-1",
        thread="t",
        position=0,
        action=REFUND,
        requester="ana",
        digest="d",
        needs=FINANCE,
        created=utc(at),
        deadline=HOUR,
        due=HOUR.due(at),
    )
    assert approval.due == HOUR.due(NOON)
    closed = 0
    for move in moves:
        at += timedelta(seconds=move)
        assert overdue(approval, utc(at)) == (not closed and at - NOON >= timedelta(hours=1))
        if overdue(approval, utc(at)):
            approval, successor = lapsed(approval, utc(at), "apr-2")
            closed += 1
            assert (successor, approval.status) == (None, "rejected")
    assert closed <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"at_deadline": "reject"},
        {"deadline": "4h", "at_deadline": "escalate"},
        {"deadline": "4h", "at_deadline": "escalate:"},
        {"deadline": "4h", "at_deadline": "approve"},
        {"deadline": "0s"},
        {"deadline": "-1h"},
        {"deadline": "400d"},
        {"deadline": "soon"},
        {"mode": "none", "deadline": "4h"},
    ],
)
def test_deadline_that_cannot_be_is_refused_when_the_workspace_is_read(wrong: dict[str, str]):
    with pytest.raises(ValueError, match="deadline"):
        ReviewSpec.model_validate(wrong)


def test_deadline_is_read_in_days_and_rejects_by_default():
    term = ReviewSpec.model_validate({"deadline": "3d"}).term
    assert term == Deadline(seconds=3 * 86400, then="reject")
