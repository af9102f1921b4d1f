"""A second opinion as a predictor of the workspace gives it, sentence by sentence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from concertmaster.agents.predicting import Prediction, predict
from concertmaster.agents.task import Task
from concertmaster.contracts import Confidentiality, Draft, Finding, Sentence
from concertmaster.errors import ModelError

__all__ = ["GIVEN", "LABELS", "THRESHOLD", "predicted_objections", "tells"]

GIVEN = ("question", "answer", "evidence")
"""What a judge may be given, each a text: the request, one sentence of the draft, its sources."""

LABELS = ("supported", "unsupported")
"""What a judge may tell as its `label`."""

THRESHOLD = 0.5
"""The `score` (0 to 1) below which a sentence counts as unsupported."""

_SHARE = 0.8
_LONGEST = 60.0


async def predicted_objections(
    task: Task, draft: Draft, factual: Sequence[int], level: Confidentiality
) -> list[Finding] | None:
    """Return what the step's predictor objects to; None if there is none, or it failed.

    It is asked once a factual sentence and takes at most four fifths of the step's time for all of
    them. Where it fails at one it has no opinion on the draft, and the failure is in the trail.

    Args:
        task: the critic's.
        draft: what is judged.
        factual: the indices of the sentences that state something.
        level: the highest confidentiality of the draft and its sources.
    """
    need = task.step.predictor
    if need is None:
        return None
    found: list[Finding] = []
    try:
        async with asyncio.timeout(_SHARE * (task.step.timeout or _LONGEST)) as scope:
            for index in factual:
                given = _given(task, draft.sentences[index])
                found += _objection(index, await predict(task, need, given, level=level))
    except ModelError:
        return None
    except TimeoutError:
        if not scope.expired():
            raise
        why = f"no second opinion: {need} took too long for {len(factual)} sentences"
        task.record("model.failed", why=why, model=None, kind="predictor")
        return None
    return found


def tells(output: Any) -> tuple[str, ...]:
    """Return which of `label`, `supported` and `score` an output's schema declares rightly.

    >>> tells({"properties": {"score": {"type": "number", "minimum": 0, "maximum": 1}}})
    ('score',)
    """
    properties = output.get("properties") if isinstance(output, dict) else None
    if not isinstance(properties, dict):
        return ()
    label, supported, score = (properties.get(n) for n in ("label", "supported", "score"))
    listed = label.get("enum") if isinstance(label, dict) else None
    right = {
        "label": isinstance(listed, list) and sorted(map(str, listed)) == sorted(LABELS),
        "supported": isinstance(supported, dict) and supported.get("type") == "boolean",
        "score": isinstance(score, dict)
        and (score.get("type"), score.get("minimum"), score.get("maximum")) == ("number", 0, 1),
    }
    return tuple(name for name, holds in right.items() if holds)


def _given(task: Task, sentence: Sentence) -> dict[str, str]:
    texts = (task.turn.subject, sentence.text, _sources(task, sentence))
    return dict(zip(GIVEN, texts, strict=True))


def _sources(task: Task, sentence: Sentence) -> str:
    turn = task.turn
    if sentence.basis == "request":
        return turn.request.text
    if sentence.basis == "evidence":
        evidence = {e.number: e.text for e in turn.retrieved.evidence} if turn.retrieved else {}
        cited = dict.fromkeys(c.number for c in sentence.citations)
        return "\n\n".join(evidence[number] for number in cited if number in evidence)
    return json.dumps(turn.outputs(), ensure_ascii=False)


def _objection(index: int, told: Prediction) -> list[Finding]:
    """Return what is objected to a sentence: by the label, else by `supported`, else by score."""
    score = told.value.get("score")
    if "label" in told.value:
        supported = told.value["label"] == LABELS[0]
    elif "supported" in told.value:
        supported = told.value["supported"] is True
    else:
        supported = isinstance(score, int | float) and score >= THRESHOLD
    if supported:
        return []
    version = f", version {told.version}" if told.version else ""
    scored = f" (score {score:.2g})" if isinstance(score, int | float) else ""
    why = f"{told.predictor}{version} tells that its sources do not support it{scored}"
    return [Finding(check="judge", sentence=index, why=why, needs="a source that says so")]
