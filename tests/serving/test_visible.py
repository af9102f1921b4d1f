"""Who may see what: one's own, and what one decides; the rest is as if it were not there."""

import pytest

from concertmaster.contracts import Approve, Principal
from concertmaster.errors import ApprovalUnknown, UnknownRun
from concertmaster.serving.visible import (
    approval_for,
    is_reviewer,
    own_threads,
    queue_of,
    reviewing_roles,
    run_for,
)

WAITING = "refund order 1042"
ANA = Principal(id="ana", roles=("customer",))
LI = Principal(id="li", roles=("finance",))
SAM = Principal(id="sam", roles=("support",))


def elsewhere(who: Principal) -> Principal:
    return who.model_copy(update={"tenant": "elsewhere"})


@pytest.fixture
async def waiting(refunds):
    return await refunds.run(WAITING, principal=ANA)


async def test_a_run_is_seen_by_its_owner_and_who_decides(refunds, waiting):
    for who in (ANA, LI):
        assert (await run_for(refunds, who, waiting.id)).id == waiting.id
    for who in (SAM, elsewhere(ANA), elsewhere(LI), Principal(id="ben", roles=("customer",))):
        with pytest.raises(UnknownRun) as refused:
            await run_for(refunds, who, waiting.id)
        with pytest.raises(UnknownRun) as missing:
            await run_for(refunds, who, "run-0")
        told = [str(e.value.message).replace(waiting.id, "run-0") for e in (refused, missing)]
        assert told[0] == told[1]


async def test_an_erased_run_is_answered_like_one_that_never_was(refunds, waiting):
    await refunds.forget(waiting.thread, by=ANA, why="asked for it", force=True)
    for who in (ANA, LI, SAM):
        with pytest.raises(UnknownRun, match="there is no"):
            await run_for(refunds, who, waiting.id)


async def test_an_approval_is_seen_by_who_asked_and_who_decides(refunds, waiting):
    (approval,) = waiting.pending
    for who in (ANA, LI):
        assert (await approval_for(refunds, who, approval.id)).id == approval.id
    for who in (SAM, elsewhere(ANA), elsewhere(LI)):
        with pytest.raises(ApprovalUnknown):
            await approval_for(refunds, who, approval.id)


async def test_who_decided_still_sees_it_without_the_role(refunds, waiting):
    await refunds.decide(waiting.pending[0].id, Approve(), principal="li")
    moved = LI.model_copy(update={"roles": ("support",)})
    assert (await run_for(refunds, moved, waiting.id)).id == waiting.id
    assert [a.id for a in await queue_of(refunds, moved, status=None)] == [waiting.pending[0].id]
    with pytest.raises(UnknownRun):
        await run_for(refunds, SAM, waiting.id)


async def test_a_queue_holds_what_concerns_its_reader(refunds, waiting):
    assert [a.id for a in await queue_of(refunds, LI)] == [waiting.pending[0].id]
    for who in (ANA, SAM, elsewhere(LI)):
        assert await queue_of(refunds, who) == []


async def test_reviewers_are_those_whom_a_policy_names(refunds):
    assert "finance" in reviewing_roles(refunds)
    assert is_reviewer(refunds, LI)
    assert not is_reviewer(refunds, ANA)
    assert not is_reviewer(refunds, Principal(id="gus"))


async def test_threads_are_listed_for_their_owner(refunds, waiting):
    assert [t["id"] for t in await own_threads(refunds, ANA)] == [waiting.thread]
    for who in (LI, elsewhere(ANA)):
        assert await own_threads(refunds, who) == []
