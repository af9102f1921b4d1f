"""Each evaluator judges what it is for, and nothing else."""

import pytest

from concertmaster.evaluation.evaluators import EVALUATORS, judge_case
from concertmaster.evaluation.scores import Score


def score(key, case, recorded):
    return EVALUATORS[key](case, recorded)


@pytest.mark.parametrize(
    ("key", "expected", "right", "wrong", "told"),
    [
        ("intent", {"intent": "a"}, {"intent": "a"}, {"intent": "b"}, "read as b instead of a"),
        ("intent", {"intent": "a"}, {"intent": "a"}, {}, "read as nothing"),
        ("path", {"path": ["x"]}, {"path": ["x"]}, {"path": ["y"]}, "took y instead of x"),
        ("citations", {"citations": ["d"]}, {"citations": ["d", "e"]}, {}, "cites nothing"),
        ("citations", {"citations": []}, {}, {"citations": ["e"]}, "cites e instead of nothing"),
        (
            "citations",
            {"citations": ["d"], "citations_match": "exact"},
            {"citations": ["d"]},
            {"citations": ["d", "e"]},
            "cites d, e",
        ),
        (
            "outcome",
            {"status": "refused"},
            {"status": "refused"},
            {"cause": "x"},
            "as answered (x)",
        ),
        ("outcome", {"owner": "ops"}, {"owner": "ops"}, {}, "went to nobody instead of ops"),
        (
            "outcome",
            {"effects": []},
            {"carried": [{"tool": "look", "consequential": False}]},
            {"carried": [{"tool": "pay", "consequential": True}]},
            "took effect: pay instead of none",
        ),
        (
            "outcome",
            {"reviewers": ["finance"]},
            {"reviewers": ["finance"]},
            {"reviewers": ["finance", "manager"]},
            "asked finance, manager instead of finance",
        ),
        (
            "wording",
            {"contains": ["20 EUR"]},
            {"text": "It is 20 eur."},
            {},
            "does not say '20 EUR'",
        ),
        ("wording", {"not_contains": ["Ben"]}, {"text": "x"}, {"text": "ben's"}, "says 'Ben'"),
        (
            "trajectory",
            {"tools": [{"tool": "a"}]},
            {"tools": [{"tool": "a", "arguments": {}, "status": "done"}]},
            {},
            "did not call a",
        ),
        ("cost", {"max_cost": 0.1}, {"cost": 0.1}, {"cost": 0.2}, "cost 0.2000 USD, more than"),
        ("latency", {"max_seconds": 1}, {"seconds": 1}, {"seconds": 2}, "took 2.00 s, more than"),
    ],
)
def test_evaluator_tells_right_from_wrong(case, went, key, expected, right, wrong, told):
    asked = case(**expected)
    assert score(key, asked, went(right)).passed is True
    bad = score(key, asked, went(wrong))
    assert bad.passed is False
    assert told in bad.comment


def test_what_a_case_does_not_say_is_not_judged(case, went):
    silent = case(status="answered")
    for key in ("intent", "path", "retrieval", "citations", "trajectory", "wording", "grounding"):
        assert score(key, silent, went({})).score is None
    assert score("cost", silent, went({"cost": 0.5})).passed is None


def test_retrieval_is_the_recall_of_the_expected_documents(case, went):
    found = score("retrieval", case(documents=["a", "b"]), went({"documents": ["b", "c"]}))
    assert (found.score, found.passed, found.comment) == (0.5, False, "did not find a")


def test_each_message_is_judged_by_its_own_expectation(case, went):
    asked = case({"intent": "a"}, intent="b")
    assert score("intent", asked, went({"intent": "a"}, {"intent": "b"})).score == 1
    half = score("intent", asked, went({"intent": "a"}, {"intent": "a"}))
    assert (half.score, half.comment) == (0.5, "message 2: read as a instead of b")


def test_message_that_was_not_played_counts_as_wrong(case, went):
    asked = case({"intent": "a"}, intent="b")
    found = score("intent", asked, went({"intent": "a"}, error="message 2: gone"))
    assert found.passed is False
    assert "was not played: message 2: gone" in found.comment


def test_interrupt_is_a_state_and_no_error(case, went):
    asked = case(status="awaiting_review", effects=[])
    judged = judge_case(asked, went({"status": "awaiting_review", "first": "awaiting_review"}))
    assert judged.passed


def test_grounding_takes_the_least_of_the_answers(case, went):
    found = score("grounding", case(status="answered"), went({"grounded": 1.0}, {"grounded": 0.5}))
    assert (found.score, found.passed) == (0.5, False)


def test_policy_objects_to_calls_without_leave_and_to_forbidden_ones(case, went):
    asked = case(status="answered", forbidden=["pay"])
    paid = {"tool": "pay", "consequential": True}
    assert score("policy", asked, went({})).passed
    assert "forbids" in score("policy", asked, went({"carried": [paid]})).comment
    unasked = {"tool": "ship", "consequential": True, "objection": "nobody approved it"}
    found = score("policy", asked, went({"carried": [unasked]}))
    assert (found.passed, found.comment) == (False, "ship was carried out: nobody approved it")


def test_denied_attempt_of_a_forbidden_tool_is_no_fault(case, went):
    tried = {"tools": [{"tool": "pay", "arguments": {}, "status": "denied"}]}
    assert score("policy", case(status="refused", forbidden=["pay"]), went(tried)).passed


def test_evaluator_that_raises_is_named_and_the_others_go_on(case, went):
    def broken(case, recorded):
        raise ValueError("of its own")

    def fine(case, recorded):
        return Score(key="fine", score=1.0, passed=True)

    judged = judge_case(case(status="answered"), went({}), {"broken": broken, "fine": fine})
    assert not judged.passed
    assert [s.key for s in judged.scores] == ["fine"]
    assert judged.reasons == ("evaluator broken raised ValueError: of its own",)


def test_case_that_crashed_fails_with_its_cause_alone(case, went):
    judged = judge_case(case(status="answered"), went(error="message 1: CM400 no model"))
    assert not judged.passed
    assert judged.reasons == ("message 1: CM400 no model",)
