"""The paths that runs took beside the declared workflow."""

import pytest

from concertmaster.contracts.spec import WorkflowSpec
from concertmaster.evaluation.process import conformance

WORKFLOW = WorkflowSpec.model_validate(
    {
        "workflow": "desk",
        "steps": [
            {"id": "executor", "agent": "executor"},
            {"id": "responder", "agent": "responder"},
        ],
        "routes": [
            {"when": "!acted", "to": "executor"},
            {"when": "draft == null", "to": "responder"},
            {"when": "verdict != null", "to": "finish"},
            {"ask": ["executor", "responder"], "otherwise": "escalate"},
            {"to": "escalate"},
        ],
    }
)


@pytest.fixture
def kinds(trail):
    def found():
        return [(d.kind, d.hop) for d in conformance(WORKFLOW, trail.events).deviations]

    return found


def test_a_run_by_the_table_fits(reviewed):
    fit = conformance(WORKFLOW, reviewed.events)
    assert (fit.runs, fit.fitting, fit.deviations) == (1, 1, ())
    assert [route.count for route in fit.routes] == [1, 2, 1, 0, 0]
    assert [route.line for route in fit.never] == [4, 5]


def test_a_guard_is_a_deviation_with_its_reason(trail):
    trail.hop(0, "executor", 0).hop(1, "escalate", None, why="the limit of 30 hops is reached")
    trail.add(1, "run.ended", actor="escalate", status="escalated")
    fit = conformance(WORKFLOW, trail.events)
    assert fit.fitting == 0
    (one,) = fit.deviations
    assert (one.kind, one.hop, one.where) == ("guard", 2, "executor → escalate")
    assert one.why == "the limit of 30 hops is reached"


def test_a_hop_that_todays_table_does_not_know_is_a_deviation(trail, kinds):
    trail.hop(0, "responder", 0).hop(1, "responder", 9).hop(2, "finish", 2)
    assert kinds() == [("table", 1), ("table", 2)]


def test_a_model_may_choose_among_the_declared_targets(trail, kinds):
    trail.hop(0, "choose", 3).add(1, "route.ask", actor="choose", to="executor")
    trail.add(2, "plan.proposed", actor="executor").hop(3, "finish", 2)
    trail.add(3, "run.ended", status="answered")
    assert kinds() == []


def test_a_step_to_which_nobody_sent_the_run_is_a_deviation(trail, kinds):
    trail.hop(0, "executor", 0).add(1, "draft.composed", actor="responder")
    assert kinds() == [("unled", 1)]


def test_an_effect_without_a_decision_is_a_deviation(trail, kinds):
    trail.hop(0, "executor", 0)
    trail.add(1, "policy.decided", actor="act", call="sha256:1")
    trail.add(2, "effect.intended", actor="ledger", call="sha256:1", tool="refund")
    trail.add(3, "effect.intended", actor="ledger", call="sha256:2", tool="refund")
    assert kinds() == [("ungoverned", 1)]


def test_what_was_cut_short_is_a_deviation(trail, kinds):
    trail.hop(0, "executor", 0, run="run-1").add(1, "run.cancelled", run="run-1")
    trail.hop(0, "responder", 1, run="run-2").add(1, "run.ended", run="run-2", status="failed")
    assert kinds() == [("cut", 1), ("cut", 1)]
