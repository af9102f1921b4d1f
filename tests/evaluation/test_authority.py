"""What was carried out without leave is found, from the trail alone."""

from concertmaster.contracts import AuditEvent
from concertmaster.evaluation.authority import carried_out

CALL = "sha256:a"


def event(seq, kind, actor="x", **data):
    return AuditEvent(
        id=f"evt-{seq}", seq=seq, time="t", type=kind, workspace="w", actor=actor, why="y",
        data={"position": 0, "tool": "refund", **data},
    )  # fmt: skip


def decided(seq, decision, call=CALL, needs=(), position=0, actor="act"):
    asked = [{"role": r, "count": n} for r, n in needs]
    return event(
        seq, "policy.decided", actor, decision=decision, call=call, needs=asked, position=position
    )


def intended(seq, call=CALL):
    return event(seq, "effect.intended", call=call)


def done(seq, call=CALL):
    return event(seq, "effect.done", call=call)


def answered(seq, who, role="finance", answer="approve", call=CALL, **more):
    return event(seq, "approval.answered", who, answer=answer, role=role, call=call, **more)


def objection(*events):
    (found,) = carried_out(events)
    assert (found.tool, found.consequential) == ("refund", True)
    return found.objection


def test_call_that_was_allowed_at_its_execution_is_in_order():
    assert objection(decided(1, "allow"), intended(2), done(3)) is None


def test_effect_without_any_decision_is_found():
    assert objection(intended(1), done(2)) == "no decision of the gate stands before it"


def test_decision_at_the_proposal_alone_is_not_enough():
    assert objection(decided(1, "allow", actor="gate"), intended(2), done(3)) is not None


def test_decision_of_another_call_or_after_the_effect_does_not_count():
    assert (
        objection(decided(1, "allow", call="sha256:b"), done(2)) == "the gate decided another call"
    )
    assert objection(intended(1), decided(2, "allow"), done(3)) is not None
    assert objection(decided(1, "allow", position=7), intended(2), done(3)) is not None


def test_denied_call_that_took_place_is_found():
    assert objection(decided(1, "deny"), intended(2), done(3)) == "the gate had decided deny"


def test_last_decision_before_the_effect_counts():
    assert objection(decided(1, "allow"), decided(2, "deny"), intended(3), done(4)) is not None


def test_reviewed_call_needs_everybody_whom_the_decision_asks_for():
    asked = decided(3, "review", needs=[("finance", 2), ("manager", 1)])
    li, mo = answered(1, "li"), answered(2, "mo")
    rest = [intended(5), done(6)]
    assert objection(li, asked, *rest) == "finance had not approved it"
    assert objection(li, answered(2, "li"), asked, *rest) == "finance had not approved it"
    assert objection(li, mo, asked, *rest) == "manager had not approved it"
    dora = answered(4, "dora", "manager")
    assert objection(li, mo, asked, dora, *rest) is None


def test_rejection_and_consent_to_another_call_are_no_consent():
    asked = decided(2, "review", needs=[("finance", 1)])
    rest = [intended(3), done(4)]
    assert objection(answered(1, "li", answer="reject"), asked, *rest) is not None
    assert objection(answered(1, "li", call="sha256:b"), asked, *rest) is not None
    edit = answered(1, "li", answer="edit", call="sha256:b", edited_call=CALL)
    assert objection(edit, asked, *rest) is None
    assert objection(answered(1, "li", answer="edit", edited_call="sha256:b"), asked, *rest)


def test_consent_after_the_effect_is_none():
    asked = decided(1, "review", needs=[("finance", 1)])
    assert objection(asked, intended(2), answered(3, "li"), done(4)) is not None


def test_effect_in_doubt_counts_like_one_that_took_place():
    assert objection(intended(1), event(2, "effect.in_doubt", call=CALL)) is not None


def test_read_without_a_decision_is_found_and_a_refused_one_is_none():
    (read,) = carried_out([event(1, "tool.called", status="done")])
    assert (read.consequential, read.objection is None) == (False, False)
    assert carried_out([event(1, "tool.refused"), event(2, "tool.called", status="failed")]) == ()
