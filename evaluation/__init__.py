"""How good it was: cases, evaluators, baselines, reports, in LangSmith and offline."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concertmaster.evaluation.cases import Case
    from concertmaster.evaluation.dataset import read_dataset
    from concertmaster.evaluation.experiments import langsmith_evaluators, target_for
    from concertmaster.evaluation.exporting import export_to_dataset, send_feedback, upload_cases
    from concertmaster.evaluation.judge import model_judge
    from concertmaster.evaluation.offline import evaluate_offline
    from concertmaster.evaluation.online import run_experiment

__all__ = [
    "Case",
    "evaluate_offline",
    "export_to_dataset",
    "langsmith_evaluators",
    "model_judge",
    "read_dataset",
    "run_experiment",
    "send_feedback",
    "target_for",
    "upload_cases",
]

_HOME = {
    "Case": "cases",
    "evaluate_offline": "offline",
    "export_to_dataset": "exporting",
    "langsmith_evaluators": "experiments",
    "model_judge": "judge",
    "read_dataset": "dataset",
    "run_experiment": "online",
    "send_feedback": "exporting",
    "target_for": "experiments",
    "upload_cases": "exporting",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
