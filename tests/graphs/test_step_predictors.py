"""Steps that declare a predictor: what does not fit is found before anything runs."""

from pathlib import Path

import pytest

from concertmaster.graphs.readiness import check
from concertmaster.testing import temporary_workspace

SOUND = """
  - name: house
    serves: [intent]
    use: house:made
    input: {type: object, properties: {text: {type: string}}, required: [text]}
    output:
      {type: object, properties: {label: {enum: [human_help, out_of_scope]}}, required: [label]}
"""
STEP = "agent: intent_classifier"


def found(predictors: str, agent: str = STEP, need: str = "intent") -> list[str]:
    with temporary_workspace("support_desk") as folder:
        (folder / "house.py").write_text("def made():\n    return lambda given: {}\n")
        (folder / "models.yaml").write_text(f"predictors:{predictors}")
        workflow = folder / "workflow.yaml"
        text = workflow.read_text()
        assert agent in text
        workflow.write_text(text.replace(agent, f"{agent}\n    predictor: {need}", 1))
        files = ("models.yaml", "workflow.yaml")
        problems = [p for p in check(folder) if Path(p.file).name in files]
        assert all(p.severity == "error" and p.hint for p in problems)
        return [p.message for p in problems]


def test_step_whose_predictor_fits_has_no_finding() -> None:
    assert found(SOUND) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "text",
            "words",
            "'house' serves step 'intent_classifier', which gives it a text and nothing else",
        ),
        ("human_help", "humen_help", "'house': there is no intent 'humen_help'"),
        ("{enum: [human_help, out_of_scope]}", "{type: string}", "does not list the labels"),
    ],
)
def test_predictor_of_another_form_is_found(old: str, new: str, told: str) -> None:
    assert [told in message for message in found(SOUND.replace(old, new))] == [True]


def test_need_that_no_predictor_serves_is_found() -> None:
    assert "there is no predictor 'intnt'" in found(SOUND, need="intnt")[0]


def test_step_that_asks_no_predictor_is_told() -> None:
    (message,) = found(SOUND, agent="agent: responder")
    assert "responder asks no predictor by itself" in message


JUDGE = """
  - name: house
    serves: [judge]
    use: house:made
    input:
      type: object
      properties: {question: {type: string}, answer: {type: string}, evidence: {type: string}}
      required: [question, answer, evidence]
    output:
      {type: object, properties: {label: {enum: [supported, unsupported]}}, required: [label]}
"""


def judged(old: str = "", new: str = "") -> list[str]:
    assert old in JUDGE
    return found(JUDGE.replace(old, new) if old else JUDGE, agent="agent: critic", need="judge")


@pytest.mark.parametrize(
    "output",
    [
        "label: {enum: [supported, unsupported]}",
        "label: {enum: [unsupported, supported]}",
        "supported: {type: boolean}",
        "score: {type: number, minimum: 0, maximum: 1}",
    ],
)
def test_critic_whose_predictor_fits_has_no_finding(output: str) -> None:
    declared = JUDGE.replace("label: {enum: [supported, unsupported]}", output)
    name = output.split(":")[0]
    fitting = declared.replace("required: [label]", f"required: [{name}]")
    assert found(fitting, agent="agent: critic", need="judge") == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("answer: {type: string}", "claim: {type: string}", "gives it the texts question, answer"),
        ("answer: {type: string}", "answer: {type: number}", "gives it the texts question, answer"),
        ("question", "customer", "gives it the texts question, answer"),
        ("[supported, unsupported]}", "[yes, no]}", "does not tell whether a sentence"),
        ("[supported, unsupported]}", "[supported]}", "does not tell whether a sentence"),
        ("{enum: [supported, unsupported]}", "{type: string}", "does not tell whether a sentence"),
        ("label: {enum: [supported, unsupported]}", "score: {type: number}", "does not tell"),
        ("required: [label]", "required: []", "does not tell whether a sentence"),
        (
            "properties: {label: {enum: [supported, unsupported]}}",
            "properties: {label: {enum: [good, bad]}, supported: {type: boolean}}",
            "does not tell whether a sentence",
        ),
    ],
)
def test_judge_of_another_form_is_found(old: str, new: str, told: str) -> None:
    (message,) = [m for m in judged(old, new) if "serves step" in m]
    assert "predictor 'house' serves step 'critic', " in message
    assert told in message


def test_need_of_a_judge_that_no_predictor_serves_is_found() -> None:
    (message,) = judged("serves: [judge]", "serves: [jury]")
    assert "there is no predictor 'judge'" in message
