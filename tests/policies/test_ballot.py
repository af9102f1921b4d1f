"""The rules of an approval hold for every course that answers can take."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import (
    Action,
    Approval,
    Approve,
    Edit,
    Principal,
    Reject,
    Respond,
    Review,
    ReviewNeed,
)
from concertmaster.errors import ApprovalError
from concertmaster.policies.ballot import approval_digest, cast, satisfies
from concertmaster.policies.obligations import merge_needs

ACTION = Action(position=0, step="s", tool="refund", arguments={"a": 1}, key="k", why="")
PEOPLE = ("ana", "li", "mo", "ray", "anonymous")

roles = st.lists(st.sampled_from(["finance", "risk", "legal"]), unique=True).map(tuple)
answers = st.one_of(
    st.just(Approve()),
    st.just(Approve()),
    st.just(Approve()),
    st.sampled_from([Reject(), Respond(text="x"), Edit(arguments={})]),
)
courses = st.lists(st.tuples(st.sampled_from(PEOPLE), roles, answers), max_size=12)
wanted = st.lists(
    st.builds(
        ReviewNeed, role=st.sampled_from(["finance", "risk", "legal"]), count=st.integers(1, 2)
    ),
    min_size=1,
    max_size=3,
).map(merge_needs)


def pending(needs: tuple[ReviewNeed, ...]) -> Approval:
    return Approval(
        id="apr-00000000",
        run="r",
        thread="t",
        position=0,
        action=ACTION,
        requester="ana",
        digest=approval_digest(ACTION, "ana", ()),
        needs=needs,
        created="2030-01-01T00:00:00Z",
    )


@given(wanted, courses)
def test_rules_hold_on_every_course(needs, course):
    approval = pending(needs)
    held: dict[str, tuple[str, ...]] = {}
    for name, roles_, answer in course:
        before = approval
        with suppress(ApprovalError):
            approval = cast(approval, answer, Principal(id=name, roles=roles_), at="now")
            held[name] = roles_
        if before.status != "pending":
            assert approval == before
    people = [vote.by for vote in approval.votes]
    assert len(people) == len(set(people))
    assert not {"ana", "anonymous"} & set(people)
    for vote in approval.votes:
        assert vote.role in held[vote.by]
        assert vote.role in {need.role for need in needs}
    given_roles = [v.role for v in approval.votes if isinstance(v.answer, Approve)]
    enough = all(given_roles.count(need.role) >= need.count for need in needs)
    assert (approval.status == "approved") == enough
    assert all(given_roles.count(need.role) <= need.count for need in needs)
    holds = satisfies(approval, Review(call=ACTION.call_digest(), needs=needs))
    assert holds == (approval.status == "approved")


@given(wanted, wanted, courses)
def test_approval_never_holds_for_more_than_its_votes(asked, due, course):
    approval = pending(asked)
    for name, roles_, answer in course:
        with suppress(ApprovalError):
            approval = cast(approval, answer, Principal(id=name, roles=roles_), at="now")
    if satisfies(approval, Review(call=ACTION.call_digest(), needs=due)):
        for need in due:
            assert sum(vote.role == need.role for vote in approval.votes) >= need.count
