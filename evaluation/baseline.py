"""Baselines: what an evaluation gave when it was good enough, and what has become worse since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from concertmaster.contracts import Record
from concertmaster.contracts.base import first_fault
from concertmaster.errors import ConfigError
from concertmaster.evaluation.evaluators import EVALUATORS, Judged
from concertmaster.evaluation.offline import Evaluation

__all__ = [
    "Baseline",
    "Comparison",
    "KeptCase",
    "baseline_of",
    "compare",
    "means",
    "read_baseline",
    "write_baseline",
]

_UNSTEADY = ("latency",)
"""Measures that differ from machine to machine: shown, never kept or compared."""


class KeptCase(Record):
    """Whether a case passed, and what each evaluator gave it."""

    passed: bool
    scores: dict[str, float] = Field(default_factory=dict)


class Baseline(Record):
    """A stored evaluation. `tolerance` is how much worse another one may be, as a share.

    It bounds how far the mean of an evaluator may fall, the share of cases that newly fail, and
    how much more the same cases may cost.
    """

    schema_version: Literal[1] = 1
    workflow: str
    dataset: str
    digest: str
    tolerance: float = Field(default=0.0, ge=0, le=1)
    means: dict[str, float]
    cases: dict[str, KeptCase]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An evaluation beside a baseline; only cases that are in both are compared.

    `regressions` says in sentences what became worse by more than was tolerated. `deltas` are the
    differences of the evaluators' means. `added` are cases that the baseline does not have,
    `missing` those that were not played.
    """

    regressions: tuple[str, ...]
    newly_failing: tuple[str, ...]
    newly_passing: tuple[str, ...]
    added: tuple[str, ...]
    missing: tuple[str, ...]
    deltas: Mapping[str, float]
    tolerance: float


def means(judged: tuple[Judged, ...]) -> dict[str, float]:
    """Return the mean of each evaluator over the cases that it applies to."""
    values: dict[str, list[float]] = {}
    for one in judged:
        for score in one.scores:
            if score.score is not None:
                values.setdefault(score.key, []).append(score.score)
    return {key: sum(v) / len(v) for key, v in values.items()}


def baseline_of(evaluation: Evaluation, *, tolerance: float = 0.0) -> Baseline:
    """Return what is kept of an evaluation.

    Raises:
        ConfigError: it was interrupted, filtered or an evaluator raised, so that it is not whole.
    """
    if evaluation.interrupted or evaluation.filtered or evaluation.broken:
        why = (
            "it was interrupted"
            if evaluation.interrupted
            else "only some cases were played"
            if evaluation.filtered
            else "an evaluator raised"
        )
        raise ConfigError(
            f"this evaluation is no baseline: {why}", hint="evaluate the whole dataset for one"
        )
    return Baseline(
        workflow=evaluation.workflow,
        dataset=evaluation.dataset,
        digest=evaluation.digest,
        tolerance=tolerance,
        means={k: round(v, 6) for k, v in means(evaluation.judged).items() if k not in _UNSTEADY},
        cases={one.case.id: _kept(one) for one in evaluation.judged},
    )


def _kept(one: Judged) -> KeptCase:
    return KeptCase(
        passed=one.passed,
        scores={
            s.key: round(s.score, 6)
            for s in one.scores
            if s.score is not None and s.key not in _UNSTEADY
        },
    )


def read_baseline(file: Path) -> Baseline:
    """Read a stored baseline.

    Raises:
        ConfigError: there is none, or it is not one.
    """
    try:
        return Baseline.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}", hint="--save-baseline FILE makes one"
        ) from error
    except ValidationError as error:
        raise ConfigError(
            f"{file} is no baseline: {first_fault(error, 'the file')}",
            hint="--save-baseline FILE makes a new one",
        ) from None


def write_baseline(file: Path, baseline: Baseline) -> None:
    """Store a baseline as JSON whose lines a review can read.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        file.write_text(baseline.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from error


def compare(
    evaluation: Evaluation, baseline: Baseline, *, tolerance: float | None = None
) -> Comparison:
    """Return what became better and worse since a baseline.

    Args:
        evaluation: the new one.
        baseline: the stored one.
        tolerance: instead of the baseline's own.

    Raises:
        ConfigError: the baseline is of another workflow.
    """
    if evaluation.workflow != baseline.workflow:
        raise ConfigError(
            f"the baseline is of workflow {baseline.workflow!r}, not {evaluation.workflow!r}",
            hint="name the workflow's own with --baseline",
        )
    allowed = baseline.tolerance if tolerance is None else tolerance
    both = tuple(one for one in evaluation.judged if one.case.id in baseline.cases)
    before = {one.case.id: baseline.cases[one.case.id] for one in both}
    failing = tuple(j.case.id for j in both if not j.passed and before[j.case.id].passed)
    now, then = _paired(both, before)
    deltas = {key: now[key] - then[key] for key in then if key in now}
    played = {one.case.id for one in evaluation.judged}
    return Comparison(
        regressions=(
            *_newly(failing, len(both), allowed),
            *_fallen(now, then, allowed),
        ),
        newly_failing=failing,
        newly_passing=tuple(j.case.id for j in both if j.passed and not before[j.case.id].passed),
        added=tuple(i for i in (j.case.id for j in evaluation.judged) if i not in baseline.cases),
        missing=tuple(case for case in baseline.cases if case not in played),
        deltas=deltas,
        tolerance=allowed,
    )


def _newly(failing: tuple[str, ...], of: int, allowed: float) -> list[str]:
    if not failing or len(failing) / of <= allowed:
        return []
    listed = ", ".join(failing[:5]) + (f" and {len(failing) - 5} more" if len(failing) > 5 else "")
    return [f"{len(failing)} of {of} cases passed before and fail now: {listed}"]


def _paired(
    both: tuple[Judged, ...], before: Mapping[str, KeptCase]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the evaluators' means now and then, over the same cases.

    A score that was there and is gone, because the case crashed or the evaluator raised, counts as
    nothing.
    """
    now: dict[str, list[float]] = {}
    then: dict[str, list[float]] = {}
    for one in both:
        scores = {s.key: s.score for s in one.scores}
        for key, value in before[one.case.id].scores.items():
            if key not in EVALUATORS and key not in scores:
                continue
            found = scores.get(key)
            then.setdefault(key, []).append(value)
            now.setdefault(key, []).append(0.0 if found is None else found)
    return {k: sum(v) / len(v) for k, v in now.items()}, {
        k: sum(v) / len(v) for k, v in then.items()
    }


def _fallen(now: Mapping[str, float], then: Mapping[str, float], allowed: float) -> list[str]:
    told = []
    for key, before in then.items():
        if key == "cost":
            if now[key] > before * (1 + allowed) + 1e-9:
                told.append(f"a case costs {now[key]:.4f} USD on average, {before:.4f} before")
        elif before - now[key] > allowed + 1e-9:
            told.append(f"{key} fell from {before:.3f} to {now[key]:.3f}")
    return told
