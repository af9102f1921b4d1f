from concertmaster.contracts import (
    Action,
    Answer,
    Approval,
    Approve,
    Edit,
    Provenance,
    ReviewNeed,
    ValueOrigin,
    Vote,
)
from concertmaster.policies.ballot import approval_digest
from concertmaster.policies.endorsement import endorsements, endorses, unproven_values

ACTION = Action(
    position=0, step="executor", tool="pay", arguments={"iban": "DE89"}, key="k", why="asked"
)
FOUND = Provenance(
    values=(
        ValueOrigin(
            argument="iban", path="iban", origin="untrusted", sources=("result:mail@run-1/0",)
        ),
        ValueOrigin(argument="memo", path="memo", origin="composed", embedded=True),
        ValueOrigin(argument="amount", path="amount", origin="principal"),
    ),
    asked=True,
)


def approval(status: str, *answers: Answer, needed: int = 1, position: int = 0) -> Approval:
    action = ACTION.model_copy(update={"position": position})
    names = ("li", "mo", "sam")
    return Approval(
        id="apr-1",
        run="run-1",
        thread="t",
        position=position,
        action=action,
        requester="ana",
        digest=approval_digest(action, "ana", ()),
        needs=(ReviewNeed(role="finance", count=needed),),
        status=status,
        votes=tuple(
            Vote(by=name, role="finance", answer=answer, at="now")
            for name, answer in zip(names, answers, strict=False)
        ),
        created="now",
        provenance=FOUND,
    )


def test_only_complete_answers_that_let_a_call_through_endorse():
    edit = Edit(arguments={"iban": "GB33"})
    assert endorses(approval("approved", Approve()))
    assert endorses(approval("edited", edit))
    assert not endorses(approval("edited", edit, needed=2))
    for status in ("pending", "rejected", "responded", "void"):
        assert not endorses(approval(status, Approve()))


def test_row_that_was_changed_from_outside_endorses_nothing():
    changed = ACTION.model_copy(update={"arguments": {"iban": "XX00"}})
    assert not endorses(approval("approved", Approve()).model_copy(update={"action": changed}))


def test_approved_arguments_are_trusted_for_other_calls_alone():
    approved = approval("approved", Approve(), Approve(), needed=2)
    (source,) = endorsements([approved], position=1)
    assert (source.id, source.trust, source.content) == (
        "reviewer:li+mo",
        "trusted",
        {"iban": "DE89"},
    )
    assert endorsements([approved], position=0) == ()


def test_edited_arguments_are_trusted_for_the_call_itself():
    edited = approval("edited", Edit(arguments={"iban": "GB33"}))
    (source,) = endorsements([edited], position=0)
    assert source.content == {"iban": "GB33"}


def test_unproven_values_are_told_to_the_reviewer_in_words():
    asked = approval("pending")
    assert [v.path for v in unproven_values(asked)] == ["iban", "memo"]
    assert asked.concerns() == (
        "iban: stands only in untrusted output (result:mail)",
        "memo: something in it stands nowhere in what was said or read",
    )
    assert "nobody asked for this effect" not in asked._repr_html_()
    unasked = asked.model_copy(update={"provenance": Provenance()})
    assert unasked.concerns() == ("nobody asked for this effect",)
    assert asked.model_copy(update={"provenance": None}).concerns() == ()
