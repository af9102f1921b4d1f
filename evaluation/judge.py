"""A model as a judge, through openevals: for what no rule can tell. Nothing here decides a gate."""

from __future__ import annotations

from typing import Any

from concertmaster.errors import ConfigError
from concertmaster.evaluation.cases import Case
from concertmaster.evaluation.evaluators import Evaluator
from concertmaster.evaluation.recorded import Recorded
from concertmaster.evaluation.scores import Score

__all__ = ["model_judge"]


def model_judge(
    prompt: str, *, model: Any, key: str = "judge", passes: float | None = None
) -> Evaluator:
    """Return an evaluator that asks a model about the last answer.

    It needs openevals (`pip install openevals`), and sends questions and answers to the model.

    Args:
        prompt: with `{inputs}` and `{outputs}`, such as those in `openevals.prompts`.
        model: `provider:name` as LangChain knows it, or a LangChain chat model.
        key: what the score is called.
        passes: the least score that passes; without it the judge only informs.

    Raises:
        ConfigError: openevals is not installed.
    """
    try:
        from openevals.llm import create_llm_as_judge  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ConfigError(
            "a model judge needs openevals, which is not installed",
            hint="pip install openevals",
        ) from error
    named = {"model": model} if isinstance(model, str) else {"judge": model}
    ask = create_llm_as_judge(prompt=prompt, feedback_key=key, continuous=True, **named)

    def judge(case: Case, recorded: Recorded) -> Score:
        if not recorded.turns or recorded.turns[-1].status != "answered":
            return Score(key=key, score=None)
        given: Any = ask(inputs=case.turns[-1].text, outputs=recorded.turns[-1].text)
        score = float(given["score"])
        return Score(
            key=key,
            score=score,
            passed=None if passes is None else score >= passes,
            comment=str(given.get("comment") or ""),
        )

    return judge
