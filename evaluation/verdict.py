"""Whether an evaluation is good enough, and why not, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.evaluation.baseline import Baseline, Comparison, compare
from concertmaster.evaluation.evaluators import Judged
from concertmaster.evaluation.offline import Evaluation

__all__ = ["Verdict", "conclude"]


@dataclass(frozen=True)
class Verdict:
    """The conclusion: `findings` say what is wrong; without any the evaluation holds."""

    findings: tuple[str, ...]
    comparison: Comparison | None

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def conclude(
    evaluation: Evaluation, baseline: Baseline | None, *, tolerance: float | None = None
) -> Verdict:
    """Return whether an evaluation holds.

    Without a baseline every case has to pass, those with a known weakness excepted. With one, only
    what became worse by more than its tolerance counts, and new cases have to pass. An evaluator
    that raised and an interruption are findings in any case: what was not judged has not passed.
    """
    findings: list[str] = []
    comparison = None
    if baseline is not None:
        comparison = compare(evaluation, baseline, tolerance=tolerance)
        findings += comparison.regressions
        added = [j for j in evaluation.failed if j.case.id in comparison.added]
        findings += _failing(added, "cases that the baseline does not have fail")
        if comparison.missing and not evaluation.filtered and not evaluation.interrupted:
            findings.append(
                f"{len(comparison.missing)} cases of the baseline are gone: "
                f"{', '.join(comparison.missing[:5])}"
            )
    else:
        findings += _failing(list(evaluation.failed), "cases fail")
    findings += [
        f"evaluator {key} raised for {count} of {len(evaluation.judged)} cases"
        for key, count in evaluation.broken.items()
    ]
    if evaluation.interrupted:
        findings.append(f"{len(evaluation.judged)} of {evaluation.total} cases were played")
    return Verdict(tuple(findings), comparison)


def _failing(cases: list[Judged], what: str) -> list[str]:
    return [f"{len(cases)} {what}: {', '.join(j.case.id for j in cases[:5])}"] if cases else []
