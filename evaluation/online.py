"""A dataset as an experiment in LangSmith, whose scores one gets whether or not LangSmith does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.evaluation.cases import Case
from concertmaster.evaluation.dataset import Dataset
from concertmaster.evaluation.evaluators import EVALUATORS, Evaluator, Judged, judge_case
from concertmaster.evaluation.experiments import Target, langsmith_evaluators, target_for
from concertmaster.evaluation.exporting import upload_cases
from concertmaster.evaluation.playing import Reviewer
from concertmaster.evaluation.recorded import Recorded
from concertmaster.graphs.workspace import Workspace

if TYPE_CHECKING:
    from langsmith import Client

__all__ = ["Experiment", "run_experiment"]


@dataclass(frozen=True)
class Experiment:
    """What came of an experiment: every case with its scores.

    `name` and `url` are of the experiment in LangSmith; None if it could not be made. `lost` says
    what LangSmith did not take, by the kind of error; empty if it took everything. What the client
    sends in the background it logs itself; see also `lost_traces`.
    """

    judged: tuple[Judged, ...]
    name: str | None
    url: str | None
    lost: Mapping[str, str]


async def run_experiment(
    workflow: Workspace | str | Path,
    dataset: Dataset,
    *,
    client: Client,
    name: str,
    evaluators: Mapping[str, Evaluator] = EVALUATORS,
    reviewer: Reviewer | None = None,
    model: Any = None,
    parallel: int = 1,
) -> Experiment:
    """Play a dataset as an experiment in LangSmith.

    Where LangSmith cannot be reached, is over its limits or refuses, the cases are played and
    judged all the same, and the loss is named.

    Args:
        workflow: a workspace or its folder.
        dataset: the cases; they are stored in LangSmith unless it has a dataset of this name.
        client: of LangSmith.
        name: of the dataset in LangSmith, and the beginning of the experiment's.
        evaluators: by their key.
        reviewer: answers approvals that a case does not script.
        model: as for `concertmaster.open`.
        parallel: how many cases at once.
    """
    judged: dict[str, Judged] = {}
    cases = {case.id: case for case in dataset.cases}
    async with target_for(workflow, reviewer=reviewer, model=model) as target:

        async def played(inputs: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
            outputs = await target.aplay(inputs)
            case = cases.get(str(metadata.get("case")))
            if case is not None:
                judged[case.id] = judge_case(case, Recorded.model_validate(outputs), evaluators)
            return outputs

        made, lost = await _uploaded(played, client, name, dataset, evaluators, parallel)
        for case in dataset.cases:
            if case.id not in judged:
                judged[case.id] = judge_case(case, await _alone(target, case), evaluators)
    return Experiment(
        judged=tuple(judged[case.id] for case in dataset.cases),
        name=made[0] if made else None,
        url=made[1] if made else None,
        lost=lost,
    )


async def _uploaded(  # noqa: PLR0917
    played: Any,
    client: Client,
    name: str,
    dataset: Dataset,
    evaluators: Mapping[str, Evaluator],
    parallel: int,
) -> tuple[tuple[str, str | None] | None, dict[str, str]]:
    """Run LangSmith's own evaluation as far as it goes; return its name and what was lost."""
    from langsmith import aevaluate
    from langsmith.utils import LangSmithError
    from requests import RequestException

    made: tuple[str, str | None] | None = None
    try:
        if not await asyncio.to_thread(client.has_dataset, dataset_name=name):
            await asyncio.to_thread(upload_cases, client, name, dataset.cases)
        found = await aevaluate(
            played,
            data=name,
            evaluators=langsmith_evaluators(evaluators),
            client=client,
            experiment_prefix=name,
            max_concurrency=parallel,
            blocking=False,
        )
        made = (found.experiment_name, found.url)
        async for _ in found:
            pass
    except (LangSmithError, RequestException, OSError) as error:
        return made, {type(error).__name__: str(error).splitlines()[0][:300]}
    return made, {}


async def _alone(target: Target, case: Case) -> Recorded:
    """Play a case that LangSmith did not get to."""
    from langsmith import tracing_context

    with tracing_context(enabled=False):
        return await target.record(case)
