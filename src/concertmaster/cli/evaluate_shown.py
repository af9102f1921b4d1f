"""How an evaluation looks: a table at 80 columns, failures in sentences, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from concertmaster.cli.console import put, safe, styled

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from concertmaster.evaluation.evaluators import Judged
    from concertmaster.evaluation.offline import Evaluation
    from concertmaster.evaluation.verdict import Verdict

__all__ = ["evaluation_json", "line_of", "show_evaluation"]


def line_of(one: Judged) -> Text:
    """Return the line that tells how one case went."""
    mark, style = ("✓", "green") if one.passed else ("✗", "red")
    if not one.passed and one.case.known_weakness:
        mark, style = "~", "yellow"
    line = styled(f"{mark} ", style)
    line.append(safe(one.case.id))
    if one.reasons:
        line.append(f"  {safe(one.reasons[0])}", style="dim")
    line.truncate(100, overflow="ellipsis")
    return line


def show_evaluation(found: Evaluation, verdict: Verdict) -> None:
    """Print the table, every failure with its reasons, and the conclusion."""
    put(_table(found, verdict))
    for title, cases, style in (
        ("fails", found.failed, "red"),
        ("known weakness", found.weak, "yellow"),
    ):
        for one in cases:
            put(styled(f"{one.case.id}: {title}", style))
            for reason in one.reasons:
                put(styled(f"  {reason}", "dim"))
    for where, times in found.refused.items():
        put(styled(f"refused {times} connections to {where} (--online lets them pass)", "yellow"))
    put(styled(_sums(found)))
    _conclude(verdict)


def _sums(found: Evaluation) -> str:
    told = f"{len(found.passed)} of {len(found.judged)} cases passed"
    if found.weak:
        told += f", {len(found.weak)} with a known weakness did not"
    return f"{told}, in {found.seconds:.1f} s"


def _conclude(verdict: Verdict) -> None:
    compared = verdict.comparison
    if compared is not None:
        if compared.newly_passing:
            put(styled(f"better than the baseline: {', '.join(compared.newly_passing)}", "green"))
        if not compared.regressions:
            put(styled("nothing is worse than in the baseline", "green"))
    for finding in verdict.findings:
        put(styled(f"✗ {finding}", "red"))


def _table(found: Evaluation, verdict: Verdict) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from concertmaster.evaluation.baseline import means

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("evaluator", no_wrap=True)
    for name in ("score", "passed", "failed", "baseline"):
        table.add_column(name, justify="right", no_wrap=True)
    deltas = verdict.comparison.deltas if verdict.comparison else {}
    for key, mean in means(found.judged).items():
        scores = [s for j in found.judged for s in j.scores if s.key == key]
        good = sum(s.passed is True for s in scores)
        bad = sum(s.passed is False for s in scores)
        unit = next((s.unit for s in scores), "share")
        shown = f"{mean:.3f}" if unit == "share" else f"{mean:.4f} {unit}"
        table.add_row(
            key,
            shown,
            str(good) if good or bad else "-",
            styled(str(bad) if good or bad else "-", "red" if bad else ""),
            f"{deltas[key]:+.3f}" if key in deltas else "",
        )
    for key, count in found.broken.items():
        table.add_row(key, styled("raised", "red"), "-", styled(str(count), "red"), "")
    return table


def evaluation_json(found: Evaluation, verdict: Verdict) -> dict[str, Any]:
    """Return everything that an evaluation found as plain JSON."""
    from concertmaster.evaluation.baseline import means

    compared = verdict.comparison
    return {
        "workflow": found.workflow,
        "dataset": found.dataset,
        "digest": found.digest,
        "versions": dict(found.versions),
        "cases": found.total,
        "played": len(found.judged),
        "passed": len(found.passed),
        "failed": [one.case.id for one in found.failed],
        "known_weakness": [one.case.id for one in found.weak],
        "interrupted": found.interrupted,
        "seconds": round(found.seconds, 3),
        "means": means(found.judged),
        "evaluators_that_raised": found.broken,
        "refused_connections": dict(found.refused),
        "holds": verdict.holds,
        "findings": list(verdict.findings),
        "comparison": None
        if compared is None
        else {
            "tolerance": compared.tolerance,
            "regressions": list(compared.regressions),
            "newly_failing": list(compared.newly_failing),
            "newly_passing": list(compared.newly_passing),
            "added": list(compared.added),
            "missing": list(compared.missing),
            "deltas": dict(compared.deltas),
        },
        "results": [
            {
                "id": one.case.id,
                "tags": list(one.case.tags),
                "passed": one.passed,
                "reasons": list(one.reasons),
                "scores": [score.model_dump(mode="json") for score in one.scores],
                "statuses": [turn.status for turn in one.recorded.turns],
            }
            for one in found.judged
        ],
    }
