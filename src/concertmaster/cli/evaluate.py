"""`concertmaster evaluate`: a dataset through the real desk, offline, beside a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.failures import FINDINGS, INTERRUPTED
from concertmaster.cli.options import Json, ModelName, Quiet, WorkspaceDir

if TYPE_CHECKING:
    from concertmaster.evaluation.baseline import Baseline
    from concertmaster.evaluation.evaluators import Judged
    from concertmaster.evaluation.offline import Evaluation

__all__ = ["evaluate"]

EXAMPLE = (
    "Example: concertmaster evaluate examples/support_desk"
    " --dataset examples/support_desk/evaluation/cases.jsonl"
)


def evaluate(
    *,
    workspace: WorkspaceDir,
    dataset: Annotated[
        Path, typer.Option("--dataset", "-d", metavar="FILE", help="JSON Lines, one case a line.")
    ],
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", "-b", metavar="FILE", help="Fail for what became worse."),
    ] = None,
    save_baseline: Annotated[
        Path | None,
        typer.Option("--save-baseline", metavar="FILE", help="Keep the result as a baseline."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="The share by which scores may be worse; the baseline's own, or 0."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write one HTML page with plots."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="TAG", help="Only cases with this tag; may be repeated."),
    ] = None,
    parallel: Annotated[
        int, typer.Option("--parallel", "-p", min=1, max=32, help="How many cases at once.")
    ] = 1,
    model: ModelName = None,
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="Let the workspace's models and tools connect to other machines."
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Play a dataset through the workspace and score how it went.

    Every case runs on the real desk, in a temporary home, on this machine alone: nothing is traced,
    no connection leaves it. Exits with 1 if cases fail, or, with a baseline, if anything became
    worse; cases tagged known-weakness may fail.
    """
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.evaluate_shown import evaluation_json, line_of, show_evaluation
    from concertmaster.evaluation.baseline import baseline_of, read_baseline, write_baseline
    from concertmaster.evaluation.page import write_page
    from concertmaster.evaluation.verdict import conclude

    before = read_baseline(baseline) if baseline else None

    def told(one: Judged) -> None:
        if not quiet:
            note(line_of(one))

    found = _evaluated(workspace, dataset, tuple(only or ()), parallel, model, online, told)
    verdict = conclude(found, before, tolerance=tolerance)
    if as_json:
        print_json(evaluation_json(found, verdict))
    else:
        show_evaluation(found, verdict)
    if report is not None:
        write_page(report, found, verdict)
        note(f"the report is in {report}")
    if save_baseline is not None:
        kept = _tolerance(tolerance, before)
        write_baseline(save_baseline, baseline_of(found, tolerance=kept))
        note(f"the baseline is in {save_baseline}")
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if verdict.holds else FINDINGS)


def _tolerance(given: float | None, before: Baseline | None) -> float:
    if given is not None:
        return given
    return before.tolerance if before else 0.0


def _evaluated(  # noqa: PLR0917
    workspace: Path,
    dataset: Path,
    only: tuple[str, ...],
    parallel: int,
    model: str | None,
    online: bool,
    told: object,
) -> Evaluation:
    import concertmaster.models.classifier  # noqa: F401  (heavy: not inside of the event loop)
    from concertmaster.cli.desks import run_async
    from concertmaster.evaluation.dataset import read_dataset
    from concertmaster.evaluation.offline import evaluate_offline
    from concertmaster.graphs.workspace import Workspace

    loaded = Workspace.load(workspace)
    cases = read_dataset(dataset, loaded).tagged(only)
    return run_async(
        lambda: evaluate_offline(
            loaded,
            cases,
            parallel=parallel,
            model=model,
            online=online,
            filtered=only,
            told=told,  # type: ignore[arg-type]
        )
    )
