"""A second opinion on a draft: one that may object to what the checks let pass, no more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from concertmaster.agents.asking import ask, chosen
from concertmaster.agents.predicted_judging import predicted_objections
from concertmaster.agents.prompts import judging_prompt
from concertmaster.contracts import Draft, Finding, Usage
from concertmaster.errors import ModelError

if TYPE_CHECKING:
    from concertmaster.agents.task import Task

__all__ = ["second_opinion"]

_LONGEST = 400
_SCHEMA = {
    "title": "judgement",
    "type": "object",
    "properties": {
        "unsupported": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "sentence": {"type": "integer"},
                    "why": {"type": "string"},
                    "needs": {"type": "string"},
                },
                "required": ["sentence", "why", "needs"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["unsupported"],
    "additionalProperties": False,
}


class _Objection(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    sentence: int = Field(ge=1)
    why: str = Field(min_length=1)
    needs: str = ""


class _Judgement(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    unsupported: tuple[_Objection, ...] = Field(max_length=100)


async def second_opinion(task: Task, draft: Draft) -> tuple[list[Finding], Usage]:
    """Return what is objected, nothing if the step declares no predictor and no model, or has none.

    The step's predictor is asked first; the model, where there is no predictor or it failed. They
    are asked about factual sentences of a model's draft only: what stands word for word in its
    source, and what the workspace worded itself, needs no opinion. An answer that is not of the
    declared form, or names a sentence that there is not, counts as no opinion, which is recorded:
    the verdict of the checks then stands.
    """
    factual = [i for i, s in enumerate(draft.sentences) if s.basis != "form"]
    if draft.method != "model" or not factual:
        return [], task.turn.usage
    prompt = judging_prompt(task, draft, _SCHEMA)
    if task.step.predictor is not None:
        level = prompt.labelled(prompt.certain).confidentiality
        told = await predicted_objections(task, draft, factual, level)
        if told is not None:
            return told, task.turn.usage
    choice = chosen(task, prompt)
    if choice.model is None:
        return [], task.turn.usage
    try:
        reply, usage, _ = await ask(task, choice, prompt, why="judged the draft")
    except ModelError:
        return [], task.turn.usage
    try:
        judgement = _Judgement.model_validate_json(json.dumps(reply.data))
    except (ValidationError, ValueError):
        return _unusable(task, "its answer is not of the declared form"), usage
    if any(o.sentence - 1 not in factual for o in judgement.unsupported):
        return _unusable(task, "it names a sentence that states nothing, or that there is not"), (
            usage
        )
    return [_finding(o) for o in judgement.unsupported], usage


def _finding(objection: _Objection) -> Finding:
    return Finding(
        check="judge",
        sentence=objection.sentence - 1,
        why=objection.why[:_LONGEST],
        needs=objection.needs[:_LONGEST],
    )


def _unusable(task: Task, why: str) -> list[Finding]:
    task.record("model.failed", why=f"no second opinion: {why}", model=None)
    return []
