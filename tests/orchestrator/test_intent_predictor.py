"""A desk whose intents are read by a classifier of its workspace."""

from __future__ import annotations

from pathlib import Path

import concertmaster as cm
from concertmaster.testing import temporary_workspace

MODELS = """
predictors:
  - name: house
    serves: [intent]
    use: house:made
    version: "3"
    input: {type: object, properties: {text: {type: string}}, required: [text]}
    output:
      {type: object, properties: {label: {enum: [human_help, out_of_scope]}}, required: [label]}
"""
MADE = """
def made():
    return lambda given: {"label": "human_help" if "boss" in given["text"] else "out_of_scope"}
"""


async def test_desk_follows_the_intent_that_its_own_classifier_tells(home: Path) -> None:
    with temporary_workspace("support_desk") as folder:
        (folder / "models.yaml").write_text(MODELS)
        (folder / "house.py").write_text(MADE)
        workflow = folder / "workflow.yaml"
        agent = "    agent: intent_classifier\n"
        workflow.write_text(
            workflow.read_text().replace(agent, f"{agent}    predictor: intent\n", 1)
        )
        async with cm.open(folder, home=home) as desk:
            run = await desk.run("Get me your boss on the line", principal="ana")
            other = await desk.run("How long do I have to return a lamp?", principal="ana")
    assert run.turn.intent is not None
    assert (run.turn.intent.name, run.turn.intent.method) == ("human_help", "predictor")
    (read,) = [e for e in run.events if e.type == "intent.classified"]
    assert read.why == "house, version 3 told it"
    assert run.status == "escalated"
    assert other.turn.intent is not None
    assert other.turn.intent.in_scope is False
    assert other.status == "escalated"
