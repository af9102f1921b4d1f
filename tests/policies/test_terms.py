"""Deadlines that policies set: the strictest of all that hold, and of the step."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import Allow, Deadline, Deny, Review
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.policies import Gate, PolicyEngine
from concertmaster.policies.bundle import Policy, check
from concertmaster.policies.deadlines import in_short, strictest
from concertmaster.policies.obligations import parse_obligation

HOUR = 3600.0


def permit(id_: str, *obligations: str) -> str:
    asked = f'@obligation("{", ".join(obligations)}")' if obligations else ""
    return f'@id("{id_}") {asked} permit (principal, action, resource);'


def due(decision: object) -> Deadline | None:
    assert isinstance(decision, Review)
    return decision.deadline


def test_policy_sets_a_deadline(gate_of: Callable[..., Gate], call):
    gate = gate_of(permit("a", "review:risk", "deadline:2h:escalate:chief"))
    assert due(gate.decide(call())) == Deadline(seconds=2 * HOUR, then="escalate:chief")


def test_without_one_people_have_all_the_time_in_the_world(gate_of, call):
    assert due(gate_of(permit("a", "review:risk")).decide(call())) is None


@pytest.mark.parametrize(
    ("obligations", "step", "kept"),
    [
        # The earliest counts, whoever sets it.
        (["deadline:2h:reject", "deadline:1h:reject"], None, Deadline(seconds=HOUR)),
        (["deadline:2h:reject"], "1h", Deadline(seconds=HOUR)),
        (["deadline:1h:reject"], "2h", Deadline(seconds=HOUR)),
        # At the same time rejecting is stricter, and two roles contradict each other.
        (["deadline:1h:escalate:a", "deadline:1h:reject"], None, Deadline(seconds=HOUR)),
        (["deadline:1h:escalate:a"], "1h", Deadline(seconds=HOUR)),
        (["deadline:1h:escalate:a", "deadline:1h:escalate:b"], None, Deadline(seconds=HOUR)),
        # What rejects later ends an escalation that began before.
        (
            ["deadline:1h:escalate:a"],
            "90m",
            Deadline(seconds=HOUR, then="escalate:a", end=1.5 * HOUR),
        ),
        (
            ["deadline:1h:escalate:a"],
            "1d",
            Deadline(seconds=HOUR, then="escalate:a", end=24 * HOUR),
        ),
    ],
)
def test_strictest_of_policies_and_step_wins(gate_of, call, obligations, step, kept):
    permits = [permit(f"p{n}", "review:risk", text) for n, text in enumerate(obligations)]
    review = ReviewSpec.model_validate({"deadline": step} if step else "policy")
    assert due(gate_of(*permits).decide(call(review=review))) == kept


def test_review_that_the_step_asks_for_keeps_the_deadline_of_a_policy(gate_of, call):
    gate = gate_of(permit("a", "review:risk", "deadline:1h:reject"))
    review = ReviewSpec(mode="always", roles=("boss",), deadline="2h")
    assert due(gate.decide(call(review=review))) == Deadline(seconds=HOUR)


def test_step_that_reviews_always_has_its_own_deadline(gate_of, call):
    review = ReviewSpec(mode="always", roles=("boss",), deadline="2h", at_deadline="escalate:chief")
    kept = due(gate_of(permit("a")).decide(call(review=review)))
    assert kept == Deadline(seconds=2 * HOUR, then="escalate:chief")


def test_step_that_sets_one_asks_for_no_review_by_it(gate_of, call):
    review = ReviewSpec.model_validate({"deadline": "1h"})
    assert isinstance(gate_of(permit("a")).decide(call(review=review)), Allow)


def test_escalation_ends_where_a_later_deadline_rejects():
    kept = strictest([Deadline(seconds=HOUR, then="escalate:a"), Deadline(seconds=1.5 * HOUR)])
    assert kept.again == Deadline(seconds=0.5 * HOUR)
    kept = strictest([Deadline(seconds=HOUR, then="escalate:a"), Deadline(seconds=24 * HOUR)])
    assert kept.again == Deadline(seconds=HOUR)


def test_deadline_without_a_review_is_refused_when_read(folder, shapes):
    (problem,) = check(folder(permit("a", "deadline:1h:reject")), shapes)
    assert "a deadline is about a review; write review:ROLE beside it" in problem.message
    (problem,) = check(folder(permit("a", "review:risk", "deadline:1h:allow")), shapes)
    assert "'deadline:1h:allow' is not understood" in problem.message


@pytest.mark.parametrize("text", ["deadline:1h:reject", "deadline:1h:allow", "deadline:0s:reject"])
def test_deadline_that_got_past_the_checks_denies(shapes, call, text):
    policy = Policy(
        id="odd",
        effect="permit",
        text="permit (principal, action, resource);",
        obligations=(text,),
    )
    gate = Gate(PolicyEngine((policy,), shapes), shapes, "shop")
    assert isinstance(gate.decide(call()), Deny)


terms = st.one_of(
    st.builds(Deadline, seconds=st.sampled_from([60.0, 90.0, 100.0, 120.0])),
    st.builds(
        Deadline,
        seconds=st.sampled_from([60.0, 90.0, 100.0]),
        then=st.sampled_from(["escalate:a", "escalate:b"]),
    ),
)


def _over(term: Deadline) -> float:
    """Return when a call is rejected at the latest."""
    return term.seconds + (term.again.seconds if term.role else 0)


@given(st.lists(terms, min_size=1, max_size=5), st.randoms())
def test_whatever_is_set_every_one_of_them_is_kept(given_, random):
    kept = strictest(given_)
    shuffled = random.sample(given_, len(given_))
    assert strictest(shuffled) == kept
    by_turns = strictest([strictest(shuffled[:1]), strictest(shuffled[1:])])
    assert by_turns.seconds == kept.seconds
    assert _over(by_turns) <= _over(kept)
    assert all(kept.seconds <= term.seconds for term in given_)
    assert all(_over(kept) <= _over(term) for term in given_)


@given(terms)
def test_deadline_is_read_back_as_it_is_written(term: Deadline):
    assert parse_obligation(f"deadline:{in_short(term)}") == term
