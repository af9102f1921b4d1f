"""Running a dataset through the real desk, in temporary homes, on this machine alone."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from concertmaster.contracts import digest
from concertmaster.errors import ConfigError
from concertmaster.evaluation.cases import Case
from concertmaster.evaluation.dataset import Dataset
from concertmaster.evaluation.evaluators import EVALUATORS, Evaluator, Judged, judge_case
from concertmaster.evaluation.isolation import isolated
from concertmaster.evaluation.playing import play
from concertmaster.evaluation.recorded import Recorded
from concertmaster.graphs.workspace import Workspace
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.opening import open_desk

__all__ = ["Bench", "Evaluation", "evaluate_offline", "prepared"]

_KEPT = ("index", "intents")
_MOST_AT_ONCE = 32


@dataclass(frozen=True)
class Bench:
    """A workspace whose documents are indexed and whose classifier is trained, once for all."""

    workspace: Workspace
    template: Path
    model: Any = None

    @contextlib.asynccontextmanager
    async def desk(self) -> AsyncIterator[Desk]:
        """Open the workspace in a home of its own, with books of its own; both go away."""
        with TemporaryDirectory(prefix="concertmaster-case-", ignore_cleanup_errors=True) as folder:
            home = Path(folder)
            for name in _KEPT:
                if (self.template / name).is_dir():
                    shutil.copytree(self.template / name, home / name, dirs_exist_ok=True)
            opening = open_desk(
                self.workspace, home=home, model=self.model, sync=False, recover=False
            )
            async with opening as desk:
                yield desk

    async def play(self, case: Case) -> Recorded:
        """Play a case on a desk of its own; whatever breaks is the record's `error`."""
        try:
            async with self.desk() as desk:
                return await play(desk, case)
        except Exception as error:  # A desk that cannot be opened fails the case, not the rest.
            told = f"the desk could not be opened or closed: {type(error).__name__}: {error}"
            return Recorded(case=case.id, workflow=self.workspace.name, error=told)


@contextlib.asynccontextmanager
async def prepared(workspace: Workspace, *, model: Any = None) -> AsyncIterator[Bench]:
    """Index a workspace's documents and train its classifier in a folder that goes away."""
    with TemporaryDirectory(prefix="concertmaster-bench-", ignore_cleanup_errors=True) as folder:
        template = Path(folder)
        async with open_desk(workspace, home=template, model=model, recover=False):
            pass
        yield Bench(workspace, template, model)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of a dataset.

    `total` is how many cases there were to play; fewer are in `judged` after an interruption.
    `refused` are places that something wanted to connect to, with how often.
    """

    workflow: str
    dataset: str
    digest: str
    judged: tuple[Judged, ...]
    total: int
    seconds: float
    versions: Mapping[str, str]
    refused: Mapping[str, int]
    filtered: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def passed(self) -> tuple[Judged, ...]:
        """The cases that passed."""
        return tuple(one for one in self.judged if one.passed)

    @property
    def failed(self) -> tuple[Judged, ...]:
        """The cases that failed, those with a known weakness left out."""
        return tuple(j for j in self.judged if not j.passed and not j.case.known_weakness)

    @property
    def weak(self) -> tuple[Judged, ...]:
        """The cases that failed and are known to."""
        return tuple(j for j in self.judged if not j.passed and j.case.known_weakness)

    @property
    def broken(self) -> dict[str, int]:
        """The evaluators that raised, and for how many cases."""
        counted: dict[str, int] = {}
        for one in self.judged:
            for key in one.broken:
                counted[key] = counted.get(key, 0) + 1
        return counted


async def evaluate_offline(
    workspace: Workspace | str | Path,
    dataset: Dataset,
    *,
    evaluators: Mapping[str, Evaluator] = EVALUATORS,
    parallel: int = 1,
    model: Any = None,
    online: bool = False,
    filtered: tuple[str, ...] = (),
    told: Callable[[Judged], None] | None = None,
) -> Evaluation:
    """Play every case through the real desk and judge it. No request leaves this machine.

    Each case has a temporary home and books of its own, so that none sees what another did. Cancel
    it (Ctrl-C) and what was judged so far is returned.

    Args:
        workspace: what is evaluated.
        dataset: the cases.
        evaluators: by their key.
        parallel: how many cases at once; it helps where models or tools make one wait.
        model: as for `concertmaster.open`.
        online: let the workspace's own models and tools connect elsewhere; nothing is traced.
        filtered: the tags by which the cases were chosen, for the report.
        told: called after each case.

    Raises:
        ConfigError: `parallel` is out of range.
        WorkspaceError, NotReady, PolicyError, KnowledgeError: the workspace cannot be opened.
    """
    if not 1 <= parallel <= _MOST_AT_ONCE:
        raise ConfigError(f"{parallel} at once is not possible", hint=f"give 1 to {_MOST_AT_ONCE}")
    loaded = workspace if isinstance(workspace, Workspace) else Workspace.load(workspace)
    begun = perf_counter()
    judged: dict[int, Judged] = {}
    waiting = iter(enumerate(dataset.cases))
    interrupted = False

    with isolated(online=online) as fence:
        async with prepared(loaded, model=model) as bench:

            async def work(cases: Iterator[tuple[int, Case]]) -> None:
                for number, case in cases:
                    judged[number] = judge_case(case, await bench.play(case), evaluators)
                    if told is not None:
                        told(judged[number])

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(parallel):
                        group.create_task(work(waiting))
            except asyncio.CancelledError:
                interrupted = True
                task = asyncio.current_task()
                if task is not None:
                    task.uncancel()
    found = tuple(judged[number] for number in sorted(judged))
    return Evaluation(
        workflow=loaded.name,
        dataset=dataset.file.name,
        digest=dataset.digest,
        judged=found,
        total=len(dataset.cases),
        seconds=perf_counter() - begun,
        versions=_versions(loaded, found),
        refused=fence.refused,
        filtered=filtered,
        interrupted=interrupted,
    )


def _versions(workspace: Workspace, judged: tuple[Judged, ...]) -> dict[str, str]:
    for one in judged:
        if one.recorded.versions:
            return one.recorded.versions
    return {"workflow": digest(workspace.spec.model_dump(mode="json"))}
