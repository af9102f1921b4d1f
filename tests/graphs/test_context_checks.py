"""Findings about what prompts are to hold."""

import pytest
import yaml

from concertmaster.graphs.readiness import check
from concertmaster.testing import temporary_workspace


def found(change, models=None):
    with temporary_workspace("support_desk") as folder:
        path = folder / "workflow.yaml"
        value = yaml.safe_load(path.read_text())
        change(value)
        path.write_text(yaml.safe_dump(value, sort_keys=False))
        if models:
            (folder / "models.yaml").write_text(yaml.safe_dump({"models": models}))
        return [p for p in check(folder) if p.code in ("context", "clearance", "spec")]


def test_sound_rules_are_no_finding():
    rules = {"history": "summarize", "keep": 8, "summary": 600, "evidence": "all"}
    assert found(lambda w: w.update(context=rules)) == []


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"keep": 50}, "a thread has"),
        ({"by": "model"}, "none with 'history: trim'"),
        ({"summary": 500}, "none with 'history: trim'"),
        ({"history": "forget"}, "allowed"),
        ({"evidence": "some"}, "allowed"),
        ({"kept": 3}, "has no key 'kept'"),
    ],
)
def test_rules_that_cannot_hold_are_told(rules, told):
    (problem,) = found(lambda w: w.update(context=rules))
    assert told in problem.message


def test_rules_of_a_step_without_a_model_are_told():
    def change(workflow):
        step = next(s for s in workflow["steps"] if s["model"] == "none")
        step["context"] = {"keep": 2}

    (problem,) = found(change)
    assert "asks no model" in problem.message


def test_tool_whose_results_no_declared_model_may_see_is_told():
    def change(workflow):
        next(s for s in workflow["steps"] if s["agent"] == "executor")["model"] = {"need": "plan"}

    def model(clearance):
        return [{"name": "m", "use": "http://127.0.0.1:9/v1#m", "clearance": clearance}]

    problems = found(change, model("internal"))
    assert problems
    assert all("returns restricted data" in p.message for p in problems)
    assert found(change, model("restricted")) == []
