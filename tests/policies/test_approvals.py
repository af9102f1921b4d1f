"""Approvals: asked for once, answered by the right people, never twice, and not forged."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from concertmaster.audit import MIGRATIONS as AUDIT
from concertmaster.audit import Trail
from concertmaster.contracts import (
    ANONYMOUS,
    Action,
    Allow,
    Approval,
    Approve,
    Deny,
    Edit,
    Principal,
    Reject,
    Respond,
    Review,
    ReviewNeed,
)
from concertmaster.errors import (
    ApprovalError,
    ApprovalForbidden,
    ApprovalStale,
    ApprovalUnknown,
    ConfigError,
    StorageError,
)
from concertmaster.policies import MIGRATIONS, Approvals, satisfies
from concertmaster.policies.ballot import approval_digest
from concertmaster.storage import Database

FINANCE = (ReviewNeed(role="finance"),)
TWO_OF_RISK = (ReviewNeed(role="risk", count=2),)

ANA = Principal(id="ana", roles=("customer", "finance", "risk"))
LI = Principal(id="li", roles=("finance",))
MO = Principal(id="mo", roles=("finance", "risk"))
RAY = Principal(id="ray", roles=("risk",))
ZOE = Principal(id="zoe", roles=("risk",))


def refund(cents: int = 8000, *, position: int = 0, **changes: Any) -> Action:
    given = {
        "position": position,
        "step": "executor",
        "tool": "refund_payment",
        "arguments": {"order_id": 1042, "amount_cents": cents},
        "key": "refund",
        "why": "charged twice",
    }
    return Action(**(given | changes))


def due(action: Action, *needs: ReviewNeed) -> Review:
    return Review(call=action.call_digest(), needs=needs or FINANCE)


class Desk:
    """Approvals over one file, which can be closed and opened again."""

    def __init__(self, path: Path) -> None:
        self.database = Database.open(path, (*AUDIT, *MIGRATIONS))
        self.trail = Trail(self.database, "shop")
        self.approvals = Approvals(self.database, self.trail)

    async def request(self, action: Action | None = None, **changes: Any) -> Approval:
        given: dict[str, Any] = {
            "run": "run-1",
            "thread": "t-1",
            "requester": ANA,
            "needs": FINANCE,
            "reasons": ("refunds over 50.00 are looked at by finance",),
            "bundle": "sha256:b",
        }
        return await self.approvals.request(action or refund(), **(given | changes))

    async def told(self) -> list[str]:
        await self.trail.flush()
        return [event.type for event in await self.trail.events()]

    async def tamper(self, statement: str) -> None:
        await self.database.write(lambda c: c.execute(statement))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home.db"


@pytest.fixture
def desk(path: Path):
    opened = Desk(path)
    yield opened
    opened.database.close()


# -- asking -----------------------------------------------------------------------------------


async def test_request_is_stored_whole(desk: Desk):
    asked = await desk.request(evidence=("sha256:e1", "sha256:e2"))
    assert re.fullmatch(r"apr-[0-9a-f]{8}", asked.id)
    assert (asked.status, asked.votes, asked.decided) == ("pending", (), None)
    assert (asked.requester, asked.needs, asked.bundle) == ("ana", FINANCE, "sha256:b")
    assert await desk.approvals.get(asked.id) == asked
    assert await desk.approvals.granted("run-1", 0) == asked


async def test_digest_covers_action_requester_and_evidence(desk: Desk):
    base = approval_digest(refund(), "ana", ("e",))
    assert base == approval_digest(refund(why="other words", key="k", step="s"), "ana", ("e",))
    others = [
        approval_digest(refund(8001), "ana", ("e",)),
        approval_digest(refund(tool="refund"), "ana", ("e",)),
        approval_digest(refund(), "bob", ("e",)),
        approval_digest(refund(), "ana", ()),
        approval_digest(refund(), "ana", ("e", "f")),
    ]
    assert len({base, *others}) == 6
    assert (await desk.request(evidence=("e",))).digest == base


async def test_approval_survives_the_process(path: Path):
    first = Desk(path)
    asked = await first.request()
    first.database.close()
    second = Desk(path)
    assert (await second.approvals.decide(asked.id, Approve(), LI)).status == "approved"
    second.database.close()


async def test_asking_again_returns_what_there_is(desk: Desk):
    asked = await desk.request()
    assert await desk.request(bundle="sha256:edited", reasons=("reworded",)) == asked
    decided = await desk.approvals.decide(asked.id, Reject(reason="no"), LI)
    assert await desk.request() == decided
    assert len(await desk.approvals.list()) == 1
    assert await desk.told() == ["approval.requested", "approval.answered"]


async def test_same_call_at_another_position_or_run_is_asked_for_anew(desk: Desk):
    ids = {
        (await desk.request()).id,
        (await desk.request(refund(position=1))).id,
        (await desk.request(run="run-2")).id,
    }
    assert len(ids) == 3
    assert len(await desk.approvals.list(status="pending")) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"action": refund(9000)},
        {"action": refund(tool="cancel_order")},
        {"requester": Principal(id="bob")},
        {"evidence": ("sha256:new",)},
    ],
)
async def test_another_call_voids_what_is_pending_at_its_position(
    desk: Desk, change: dict[str, Any]
):
    old = await desk.request()
    new = await desk.request(**change)
    assert new.id != old.id
    assert (await desk.approvals.get(old.id)).status == "void"
    assert await desk.approvals.granted("run-1", 0) == new
    assert await desk.told() == ["approval.requested", "approval.voided", "approval.requested"]
    with pytest.raises(ApprovalStale, match="void"):
        await desk.approvals.decide(old.id, Approve(), LI)


async def test_voided_call_is_asked_for_anew(desk: Desk):
    first = await desk.request(refund(1))
    await desk.request(refund(2))
    again = await desk.request(refund(1))
    assert again.id != first.id
    assert [a.status for a in await desk.approvals.list()] == ["void", "void", "pending"]


async def test_decided_approval_is_not_voided_by_another_call(desk: Desk):
    old = await desk.request()
    await desk.approvals.decide(old.id, Edit(arguments={"order_id": 1042}), LI)
    await desk.request(refund(9000))
    assert (await desk.approvals.get(old.id)).status == "edited"


async def test_pending_approval_that_asks_too_little_is_replaced(desk: Desk):
    old = await desk.request()
    assert (await desk.request(needs=FINANCE)).id == old.id
    new = await desk.request(needs=(*FINANCE, *TWO_OF_RISK))
    assert (await desk.approvals.get(old.id)).status == "void"
    assert (await desk.request(needs=FINANCE)).id == new.id


async def test_approved_call_that_needs_more_now_is_asked_for_again(desk: Desk):
    old = await desk.request()
    await desk.approvals.decide(old.id, Approve(), LI)
    assert (await desk.request()).id == old.id
    new = await desk.request(needs=(*FINANCE, *TWO_OF_RISK))
    assert (new.id != old.id, new.status) == (True, "pending")


async def test_needs_of_one_role_are_joined(desk: Desk):
    needs = (ReviewNeed(role="risk"), ReviewNeed(role="risk", count=3))
    assert (await desk.request(needs=needs)).needs == (ReviewNeed(role="risk", count=3),)


async def test_approval_that_nobody_could_give_is_refused(desk: Desk):
    with pytest.raises(ApprovalError, match="needs nobody"):
        await desk.request(needs=())


@pytest.mark.parametrize("value", [float("nan"), b"x", "\ud800"])
async def test_call_that_is_not_json_is_refused(desk: Desk, value: Any):
    with pytest.raises(ApprovalError, match="plain JSON"):
        await desk.request(refund(arguments={"amount_cents": value}))


async def test_requests_at_once_make_one_approval(desk: Desk):
    made = await asyncio.gather(*(desk.request() for _ in range(10)))
    assert len({a.id for a in made}) == 1
    assert await desk.told() == ["approval.requested"]


# -- looking ----------------------------------------------------------------------------------


async def test_list_filters(desk: Desk):
    one = await desk.request()
    two = await desk.request(run="run-2", thread="t-2", needs=TWO_OF_RISK)
    three = await desk.request(run="run-3", requester=Principal(id="bob"))
    await desk.approvals.decide(three.id, Reject(), LI)

    async def ids(**wanted: str) -> list[str]:
        return [a.id for a in await desk.approvals.list(**wanted)]

    assert await ids() == [one.id, two.id, three.id]
    assert await ids(status="pending") == [one.id, two.id]
    assert await ids(status="rejected") == [three.id]
    assert await ids(run="run-2") == [two.id]
    assert await ids(thread="t-1") == [one.id, three.id]
    assert await ids(role="risk") == [two.id]
    assert await ids(role="finance", status="pending") == [one.id]
    assert await ids(requester="bob") == [three.id]
    assert await ids(run="' OR 1=1 --") == []


async def test_nothing_at_a_position_is_nothing_granted(desk: Desk):
    await desk.request()
    assert await desk.approvals.granted("run-1", 1) is None
    assert await desk.approvals.granted("run-2", 0) is None


@pytest.mark.parametrize("id_", ["apr-00000000", "", "%", None, "apr-" + "x" * 100_000])
async def test_unknown_id_is_told(desk: Desk, id_: Any):
    await desk.request()
    with pytest.raises(ApprovalUnknown) as caught:
        await desk.approvals.get(id_)
    assert len(str(caught.value)) < 300
    with pytest.raises(ApprovalUnknown):
        await desk.approvals.decide(id_, Approve(), LI)


async def test_approval_of_another_workspace_is_unknown(desk: Desk):
    asked = await desk.request()
    other = Approvals(desk.database, Trail(desk.database, "another"))
    with pytest.raises(ApprovalUnknown):
        await other.decide(asked.id, Approve(), LI)
    assert await other.list() == []
    assert await other.void("run-1", "x") == 0
    assert (await desk.approvals.get(asked.id)).status == "pending"


def test_trail_in_another_database_is_refused(desk: Desk, tmp_path: Path):
    elsewhere = Database.open(tmp_path / "other.db", AUDIT)
    with pytest.raises(ConfigError, match="different databases"):
        Approvals(desk.database, Trail(elsewhere, "shop"))
    elsewhere.close()


# -- answering --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Approve(reason="both charges seen"), "approved"),
        (Edit(arguments={"order_id": 1042, "amount_cents": 4000}, reason="half"), "edited"),
        (Edit(arguments={"order_id": 1042, "amount_cents": 8000}), "edited"),
        (Reject(reason="it was refunded last week"), "rejected"),
        (Respond(text="ask for the receipt"), "responded"),
    ],
)
async def test_each_answer_decides(desk: Desk, answer: Any, status: str):
    asked = await desk.request()
    decided = await desk.approvals.decide(asked.id, answer, LI)
    assert decided.status == status
    assert decided.decided is not None
    [vote] = decided.votes
    assert (vote.by, vote.role, vote.answer) == ("li", "finance", answer)
    assert decided.action == asked.action
    assert await desk.approvals.get(asked.id) == decided


@pytest.mark.parametrize("first", [Approve(), Reject(), Respond(text="x"), Edit(arguments={})])
async def test_decided_approval_is_stale_for_every_answer(desk: Desk, first: Any):
    asked = await desk.request()
    decided = await desk.approvals.decide(asked.id, first, LI)
    for answer in (Approve(), Reject(), Respond(text="y"), Edit(arguments={})):
        with pytest.raises(ApprovalStale, match="no longer pending"):
            await desk.approvals.decide(asked.id, answer, MO)
    assert await desk.approvals.get(asked.id) == decided


@pytest.mark.parametrize("answer", [Approve(), Reject(), Respond(text="x"), Edit(arguments={})])
@pytest.mark.parametrize(
    ("by", "why"),
    [
        (ANA, "requested"),
        (RAY, "none of the roles"),
        (Principal(id="eve"), "none of the roles"),
        (Principal(id="eve", groups=("finance",), tenant="finance"), "none of the roles"),
        (Principal(id="eve", roles=("Finance", "finance ")), "none of the roles"),
        (ANONYMOUS, "authenticated"),
        (Principal(id="anonymous", roles=("finance",)), "authenticated"),
    ],
)
async def test_who_may_not_answer_is_refused(desk: Desk, answer: Any, by: Principal, why: str):
    asked = await desk.request()
    with pytest.raises(ApprovalForbidden, match=why):
        await desk.approvals.decide(asked.id, answer, by)
    assert await desk.approvals.get(asked.id) == asked


async def test_two_of_a_role_are_two_people(desk: Desk):
    asked = await desk.request(needs=TWO_OF_RISK)
    once = await desk.approvals.decide(asked.id, Approve(), RAY)
    assert (once.status, once.decided) == ("pending", None)
    with pytest.raises(ApprovalForbidden, match="answered approval"):
        await desk.approvals.decide(asked.id, Approve(), RAY)
    twice = await desk.approvals.decide(asked.id, Approve(), ZOE)
    assert twice.status == "approved"
    assert [vote.by for vote in twice.votes] == ["ray", "zoe"]


async def test_one_person_with_both_roles_meets_one_need(desk: Desk):
    asked = await desk.request(needs=(*FINANCE, ReviewNeed(role="risk")))
    once = await desk.approvals.decide(asked.id, Approve(), MO)
    assert (once.status, once.votes[0].role) == ("pending", "finance")
    with pytest.raises(ApprovalForbidden, match="every approval that li could give"):
        await desk.approvals.decide(asked.id, Approve(), LI)
    assert (await desk.approvals.decide(asked.id, Approve(), RAY)).status == "approved"


async def test_second_role_counts_when_the_first_is_met(desk: Desk):
    asked = await desk.request(needs=(*FINANCE, ReviewNeed(role="risk")))
    await desk.approvals.decide(asked.id, Approve(), LI)
    done = await desk.approvals.decide(asked.id, Approve(), MO)
    assert (done.status, done.votes[1].role) == ("approved", "risk")


async def test_rejection_decides_after_a_first_approval(desk: Desk):
    asked = await desk.request(needs=TWO_OF_RISK)
    await desk.approvals.decide(asked.id, Approve(), RAY)
    assert (await desk.approvals.decide(asked.id, Reject(), ZOE)).status == "rejected"
    with pytest.raises(ApprovalStale):
        await desk.approvals.decide(asked.id, Approve(), MO)


async def test_role_whose_need_is_met_may_still_reject(desk: Desk):
    asked = await desk.request(needs=(*FINANCE, ReviewNeed(role="risk")))
    await desk.approvals.decide(asked.id, Approve(), MO)
    assert (await desk.approvals.decide(asked.id, Reject(), LI)).status == "rejected"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "approve",
        {"kind": "shrug"},
        {"kind": "approve", "tool": "delete_everything"},
        {"kind": "edit", "arguments": [1]},
        {"kind": "edit", "arguments": {}, "tool": "delete_everything"},
        Edit(arguments={"amount_cents": float("inf")}),
        Edit(arguments={"note": "\ud800"}),
        Edit(arguments={"note": object()}),
    ],
)
async def test_what_is_no_answer_is_refused_and_changes_nothing(desk: Desk, answer: Any):
    asked = await desk.request()
    with pytest.raises(ApprovalError, match="no answer"):
        await desk.approvals.decide(asked.id, answer, LI)
    assert await desk.approvals.get(asked.id) == asked
    assert (await desk.told())[-1] == "approval.refused"


async def test_control_characters_in_words_are_dropped(desk: Desk):
    asked = await desk.request()
    decided = await desk.approvals.decide(asked.id, Reject(reason="no\x1b[2J\u202e!"), LI)
    assert decided.votes[0].answer == Reject(reason="no[2J!")


async def test_author_of_an_edit_does_not_approve_the_edited_call(desk: Desk):
    asked = await desk.request()
    edited = {"order_id": 1042, "amount_cents": 7000}
    await desk.approvals.decide(asked.id, Edit(arguments=edited), LI)
    again = await desk.request(refund(7000))
    assert (again.status, again.id != asked.id) == ("pending", True)
    with pytest.raises(ApprovalForbidden, match="wrote the call"):
        await desk.approvals.decide(again.id, Approve(), LI)
    assert (await desk.approvals.decide(again.id, Approve(), MO)).status == "approved"


async def test_void_ends_what_is_pending_in_the_run_alone(desk: Desk):
    done = await desk.request()
    await desk.approvals.decide(done.id, Approve(), LI)
    waits = await desk.request(refund(position=1))
    other = await desk.request(run="run-2")
    assert await desk.approvals.void("run-1", "cancelled by ana") == 1
    assert await desk.approvals.void("run-1", "cancelled by ana") == 0
    statuses = [(await desk.approvals.get(a.id)).status for a in (done, waits, other)]
    assert statuses == ["approved", "void", "pending"]
    with pytest.raises(ApprovalStale):
        await desk.approvals.decide(waits.id, Approve(), LI)


@pytest.mark.parametrize("run", [None, "", "%"])
async def test_void_without_a_run_voids_nothing(desk: Desk, run: Any):
    await desk.request()
    assert await desk.approvals.void(run, "x") == 0


# -- at the same time -------------------------------------------------------------------------


async def test_of_two_answers_at_once_exactly_one_wins(desk: Desk):
    for n in range(20):
        asked = await desk.request(run=f"run-{n}")
        answers = [(Approve(), LI), (Reject(), MO), (Respond(text="x"), LI), (Approve(), MO)]
        results = await asyncio.gather(
            *(desk.approvals.decide(asked.id, answer, by) for answer, by in answers),
            return_exceptions=True,
        )
        won = [r for r in results if isinstance(r, Approval)]
        assert len(won) == 1
        assert all(isinstance(r, ApprovalStale) for r in results if not isinstance(r, Approval))
        assert await desk.approvals.get(asked.id) == won[0]
        assert len(won[0].votes) == 1


async def test_of_two_connections_exactly_one_wins(path: Path):
    one, two = Desk(path), Desk(path)
    for n in range(10):
        asked = await one.request(run=f"run-{n}")
        results = await asyncio.gather(
            one.approvals.decide(asked.id, Approve(), LI),
            two.approvals.decide(asked.id, Reject(), MO),
            return_exceptions=True,
        )
        assert sorted(type(r).__name__ for r in results) == ["Approval", "ApprovalStale"]
    one.database.close()
    two.database.close()


async def test_same_person_twice_at_once_counts_once(desk: Desk):
    asked = await desk.request(needs=TWO_OF_RISK)
    results = await asyncio.gather(
        *(desk.approvals.decide(asked.id, Approve(), RAY) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(r, ApprovalForbidden) for r in results) == 4
    assert (await desk.approvals.get(asked.id)).status == "pending"


async def test_answer_and_void_at_once_leave_one_of_both(desk: Desk):
    for n in range(10):
        asked = await desk.request(run=f"run-{n}")
        answered, voided = await asyncio.gather(
            desk.approvals.decide(asked.id, Approve(), LI),
            desk.approvals.void(f"run-{n}", "cancelled"),
            return_exceptions=True,
        )
        status = (await desk.approvals.get(asked.id)).status
        assert (status == "void") == isinstance(answered, ApprovalStale) == (voided == 1)


# -- the trail --------------------------------------------------------------------------------


async def test_every_step_is_in_the_trail_in_its_order(desk: Desk):
    desk.trail.emit("run.started", why="before", actor="ana", run="run-1")
    asked = await desk.request(needs=TWO_OF_RISK)
    await desk.approvals.decide(asked.id, Approve(reason="fine"), RAY)
    with pytest.raises(ApprovalForbidden):
        await desk.approvals.decide(asked.id, Approve(), ANA)
    await desk.approvals.void("run-1", "cancelled by ana")
    with pytest.raises(ApprovalStale):
        await desk.approvals.decide(asked.id, Approve(), ZOE)
    await desk.trail.flush()
    events = await desk.trail.events(run="run-1")
    assert [(e.type, e.actor) for e in events] == [
        ("run.started", "ana"),
        ("approval.requested", "concertmaster"),
        ("approval.answered", "ray"),
        ("approval.refused", "ana"),
        ("approval.voided", "concertmaster"),
        ("approval.refused", "zoe"),
    ]
    assert all(e.data["approval"] == asked.id for e in events[1:])
    assert events[1].data["call"] == refund().call_digest()
    assert (events[2].why, events[2].data["role"]) == ("fine", "risk")
    assert events[2].data["status"] == "pending"
    assert events[3].data["code"] == "CM213"
    assert events[4].why == "cancelled by ana"
    assert events[5].data["code"] == "CM212"


async def test_trail_names_calls_by_digest_and_not_by_value(desk: Desk):
    asked = await desk.request(refund(arguments={"iban": "DE00 1234"}))
    await desk.approvals.decide(asked.id, Edit(arguments={"iban": "DE00 5678"}), LI)
    await desk.trail.flush()
    events = await desk.trail.events()
    assert "DE00" not in str(events)
    edited = refund(arguments={"iban": "DE00 5678"}).call_digest()
    assert events[-1].data["edited_call"] == edited


async def test_answer_and_its_event_are_stored_together_or_not_at_all(desk: Desk):
    asked = await desk.request()
    await desk.tamper("ALTER TABLE audit_events RENAME TO hidden")
    with pytest.raises(StorageError):
        await desk.approvals.decide(asked.id, Approve(), LI)
    assert await desk.approvals.get(asked.id) == asked
    with pytest.raises(ApprovalForbidden):
        await desk.approvals.decide(asked.id, Approve(), ANA)
    await desk.tamper("ALTER TABLE hidden RENAME TO audit_events")
    assert (await desk.approvals.decide(asked.id, Approve(), LI)).status == "approved"
    expected = ["approval.requested", "approval.refused", "approval.answered"]
    assert await desk.told() == expected


# -- forged rows ------------------------------------------------------------------------------


def setting(path: str, value: str) -> str:
    return f"UPDATE approvals SET record = json_set(record, '$.{path}', {value})"


@pytest.mark.parametrize(
    "change",
    [
        setting("action.arguments.amount_cents", "999999"),
        setting("action.tool", "'delete_everything'"),
        setting("requester", "'bob'"),
        setting("evidence", "json('[\"sha256:forged\"]')"),
        setting("digest", "'sha256:0'"),
    ],
)
async def test_changed_row_cannot_be_approved(desk: Desk, change: str):
    asked = await desk.request()
    await desk.tamper(change)
    with pytest.raises(ApprovalStale, match="digest"):
        await desk.approvals.decide(asked.id, Approve(), LI)
    assert (await desk.approvals.get(asked.id)).status == "pending"


@pytest.mark.parametrize(
    "change",
    [
        setting("status", "'granted'"),
        setting("needs", "'finance'"),
        setting("extra", "1"),
        "UPDATE approvals SET record = json_remove(record, '$.digest')",
    ],
)
async def test_damaged_row_is_told(desk: Desk, change: str):
    asked = await desk.request()
    await desk.tamper(change)
    for reading in (
        desk.approvals.get(asked.id),
        desk.approvals.list(),
        desk.approvals.granted("run-1", 0),
        desk.approvals.decide(asked.id, Approve(), LI),
    ):
        with pytest.raises(StorageError, match=asked.id):
            await reading


async def test_row_of_a_newer_version_is_told(desk: Desk):
    asked = await desk.request()
    await desk.tamper("UPDATE approvals SET schema_version = 2")
    with pytest.raises(StorageError, match="version 2"):
        await desk.approvals.get(asked.id)


async def test_status_written_by_hand_satisfies_nothing(desk: Desk):
    await desk.request()
    await desk.tamper(setting("status", "'approved'"))
    forged = await desk.approvals.granted("run-1", 0)
    assert forged is not None
    assert not satisfies(forged, due(refund()))


# -- whether an approval holds ----------------------------------------------------------------


async def approved(desk: Desk, needs: tuple[ReviewNeed, ...], *people: Principal) -> Approval:
    asked = await desk.request(needs=needs)
    for person in people:
        asked = await desk.approvals.decide(asked.id, Approve(), person)
    return asked


async def test_approval_holds_for_its_call_and_needs(desk: Desk):
    approval = await approved(desk, FINANCE, LI)
    assert satisfies(approval, due(refund()))
    assert satisfies(approval, due(refund(why="said otherwise", position=5)))
    assert not satisfies(approval, due(refund(8001)))
    assert not satisfies(approval, due(refund(tool="cancel_order")))
    assert not satisfies(approval, due(refund(), ReviewNeed(role="risk")))
    assert not satisfies(approval, due(refund(), ReviewNeed(role="finance", count=2)))
    assert not satisfies(approval, due(refund(), *FINANCE, ReviewNeed(role="risk")))


async def test_more_votes_than_needed_hold_for_less(desk: Desk):
    approval = await approved(desk, (*FINANCE, *TWO_OF_RISK), LI, RAY, ZOE)
    assert approval.status == "approved"
    assert satisfies(approval, due(refund(), ReviewNeed(role="risk")))
    assert satisfies(approval, due(refund()))


@pytest.mark.parametrize("kind", [Allow, Deny])
async def test_approval_is_for_reviews_alone(desk: Desk, kind: Any):
    approval = await approved(desk, FINANCE, LI)
    assert not satisfies(approval, kind(call=refund().call_digest()))


@pytest.mark.parametrize(
    "answer",
    [
        Edit(arguments={"order_id": 1042, "amount_cents": 8000}),
        Reject(),
        Respond(text="x"),
    ],
)
async def test_other_answers_do_not_hold(desk: Desk, answer: Any):
    asked = await desk.request()
    decided = await desk.approvals.decide(asked.id, answer, LI)
    assert not satisfies(decided, due(refund()))


async def test_pending_and_voided_approvals_do_not_hold(desk: Desk):
    asked = await desk.request(needs=TWO_OF_RISK)
    half = await desk.approvals.decide(asked.id, Approve(), RAY)
    assert not satisfies(half, due(refund(), ReviewNeed(role="risk")))
    await desk.approvals.void("run-1", "x")
    voided = await desk.approvals.get(asked.id)
    assert not satisfies(voided, due(refund(), ReviewNeed(role="risk")))


@pytest.mark.parametrize(
    "forge",
    [
        lambda a: {"votes": ()},
        lambda a: {"votes": (a.votes[0], a.votes[0])},
        lambda a: {"votes": tuple(v.model_copy(update={"by": "ana"}) for v in a.votes)},
        lambda a: {"votes": tuple(v.model_copy(update={"answer": Reject()}) for v in a.votes)},
        lambda a: {"votes": tuple(v.model_copy(update={"role": "staff"}) for v in a.votes)},
        lambda a: {"requester": "bob"},
        lambda a: {"digest": "sha256:0"},
        lambda a: {"evidence": ("sha256:x",)},
    ],
    ids=["none", "twice", "own", "rejections", "roles", "requester", "digest", "evidence"],
)
async def test_forged_approval_does_not_hold(
    desk: Desk, forge: Callable[[Approval], dict[str, Any]]
):
    approval = await approved(desk, TWO_OF_RISK, RAY, ZOE)
    assert satisfies(approval, due(refund(), *TWO_OF_RISK))
    forged = approval.model_copy(update=forge(approval))
    assert not satisfies(forged, due(refund(), *TWO_OF_RISK))
