"""A report in the terminal, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from concertmaster.cli.console import note, put, safe, styled

if TYPE_CHECKING:
    from concertmaster.cli.report_sources import Reported

__all__ = ["plain", "show"]

_STEPS, _PATHS, _DEVIATIONS, _REJECTED = 12, 5, 5, 5


def show(found: Reported) -> None:
    """Tell a report in short."""
    from concertmaster.evaluation.process.plots import in_words, number

    figures = found.figures
    put(styled(found.source, "dim"))
    put(f"{number(figures.cases)} cases, {number(figures.events)} activities")
    if not figures.cases:
        return
    put("outcomes: " + ", ".join(f"{n} {safe(name)}" for name, n in figures.outcomes.items()))
    spread = figures.seconds
    put(f"half of the cases end within {in_words(spread.p50)}, 95 % within {in_words(spread.p95)}")
    for name, wait in figures.waits.items():
        put(f"{name}: {wait.count} waits, p50 {in_words(wait.p50)}, p95 {in_words(wait.p95)}")
    rework = (f"{n} {name.replace('_', ' ')}" for name, n in figures.rework.items())
    put("rework: " + ", ".join(rework))
    put(styled("where the time goes", "bold"))
    for step in figures.steps[:_STEPS]:
        put(
            f"  {safe(step.activity):<20} {step.visits:>6} visits  p50"
            f" {in_words(step.seconds.p50):>8}  p95 {in_words(step.seconds.p95):>8}"
            f" {100 * step.share:>5.1f} %"
        )
    put(styled("paths", "bold"))
    for variant in figures.variants[:_PATHS]:
        put(f"  {variant.cases:>4}  {safe(' → '.join(variant.path))}")
    _fit(found)
    _left_out(found)


def _fit(found: Reported) -> None:
    fit = found.fit
    if fit is None:
        return
    put(styled("beside the declared workflow", "bold"))
    put(f"  {fit.fitting} of {fit.runs} runs went as declared")
    if fit.never:
        listed = ", ".join(f"{route.line} (to {safe(route.to)})" for route in fit.never)
        put(f"  lines that never decided: {listed}")
    for one in fit.deviations[:_DEVIATIONS]:
        put(f"  {safe(one.run)} hop {one.hop}, {one.kind}: {safe(one.where)}: {safe(one.why)}")
    if len(fit.deviations) > _DEVIATIONS:
        put(f"  … and {len(fit.deviations) - _DEVIATIONS} more; --json lists all")


def _left_out(found: Reported) -> None:
    log = found.log
    if not log.rejected_count:
        return
    note(f"{log.rejected_count} events could not be read and were left out:")
    for one in log.rejected[:_REJECTED]:
        note(f"  {one.place}: {one.why}")


def plain(found: Reported) -> dict[str, Any]:
    """Return a report as plain JSON."""
    log = found.log
    return {
        "source": str(found.source),
        **found.figures.plain(),
        "conformance": found.fit.plain() if found.fit else None,
        "rejected": {
            "count": log.rejected_count,
            "first": [{"place": r.place, "why": r.why} for r in log.rejected],
        },
    }
