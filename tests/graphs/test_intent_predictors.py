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
    (message,) = found(SOUND, agent="agent: critic")
    assert "critic asks no predictor by itself" in message
