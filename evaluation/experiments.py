"""The same evaluation in LangSmith: a target for its `evaluate` and `aevaluate`, and evaluators in
its signature.

>>> from langsmith import evaluate                                         # doctest: +SKIP
>>> with target_for("examples/support_desk") as target:                    # doctest: +SKIP
...     evaluate(target, data="support desk", evaluators=langsmith_evaluators())
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import ValidationError

from concertmaster.contracts.base import first_fault
from concertmaster.errors import ConfigError
from concertmaster.evaluation.cases import Case
from concertmaster.evaluation.evaluators import EVALUATORS, Evaluator
from concertmaster.evaluation.offline import Bench, prepared
from concertmaster.evaluation.playing import Reviewer, play
from concertmaster.evaluation.recorded import Recorded
from concertmaster.graphs.workspace import Workspace
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.loop_thread import LoopThread

if TYPE_CHECKING:
    from langsmith.schemas import Example, Run

__all__ = [
    "Target",
    "adapted",
    "case_of",
    "example_of",
    "langsmith_evaluators",
    "target_for",
    "traces_sent",
]

_T = TypeVar("_T")


_ANYTHING = {"path_match": "contains"}
"""An expectation that nothing offends: of an example without reference outputs."""


def example_of(case: Case) -> dict[str, Any]:
    """Return a case as an example of a LangSmith dataset.

    Inputs are what a target needs; what should come of it is in the reference outputs: `expected`
    of the last message, `turns` of all of them.
    """
    said = case.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    turns = [t.expected.model_dump(mode="json", exclude_defaults=True) for t in case.turns]
    inputs = {"messages": [t.text for t in case.turns], "principal": case.principal}
    if case.reviewer:
        inputs["reviewer"] = said["reviewer"]
    return {
        "inputs": inputs,
        "reference_outputs": {"expected": turns[-1], "turns": turns},
        "metadata": {"case": case.id, "tags": list(case.tags)},
    }


def case_of(inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None, name: str) -> Case:
    """Return the case that an example of a LangSmith dataset holds.

    Args:
        inputs: `messages`, `principal` and `reviewer`; `message` stands for one message.
        outputs: the example's reference outputs: `expected` of the last message, or `turns`.
        name: what it is called in errors.

    Raises:
        ConfigError: it is no case.
    """
    given, reference = dict(inputs), dict(outputs or {})
    messages = given.get("messages", [given["message"]] if "message" in given else [])
    turns = list(reference.get("turns") or ())[:-1]
    said = [
        {"text": text, "expected": turns[n]} if n < len(turns) else text
        for n, text in enumerate(messages)
    ]
    value = {k: given[k] for k in ("principal", "reviewer") if k in given}
    expected = reference.get("expected") or _ANYTHING
    try:
        return Case.model_validate(
            {"id": "example", "messages": said, **value, "expected": expected}
        )
    except ValidationError as error:
        raise ConfigError(
            f"example {name} is no case: {first_fault(error, 'it')}",
            hint="`concertmaster schema evaluation` tells what inputs and `expected` may hold",
        ) from None


class Target:
    """What is evaluated: called with an example's inputs, it returns how the conversation went.

    Use it with `with` or `async with`; call it from `evaluate`, hand `target.aplay` to `aevaluate`.
    It answers as plain JSON, without personal data. A run that waits for a person is an answer.
    """

    def __init__(
        self,
        workflow: Desk | Workspace | str | Path,
        *,
        reviewer: Reviewer | None = None,
        model: Any = None,
    ) -> None:
        self._given = workflow
        self._reviewer = reviewer
        self._model = model
        self._bench: Bench | None = None
        self._loop: LoopThread | None = None
        self._opened: Any = None

    @property
    def __name__(self) -> str:
        """What LangSmith calls the target's run."""
        given = self._given
        return given.name if isinstance(given, Desk | Workspace) else Path(given).name

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Play an example; for `evaluate`, from any thread."""
        if isinstance(self._given, Desk):
            raise ConfigError(
                "an open desk belongs to its own event loop",
                hint="use aevaluate with target.aplay, or give the workspace's folder",
            )
        # The context carries the trace into the loop's thread.
        return self._wait(self.aplay(inputs))

    async def aplay(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Play an example; for `aevaluate`."""
        recorded = await self.record(case_of(inputs, None, "given"))
        return recorded.model_dump(mode="json")

    async def record(self, case: Case) -> Recorded:
        """Play a case and return how it went, without personal data."""
        if isinstance(self._given, Desk):
            return await self._played(self._given, case)
        if self._bench is None:
            raise ConfigError("the target is not open", hint="use it with `with` or `async with`")
        async with self._bench.desk() as desk:
            return await self._played(desk, case)

    async def _played(self, desk: Desk, case: Case) -> Recorded:
        recorded = await play(desk, case, reviewer=self._reviewer)
        traces = desk.traces
        done = traces.flush if isinstance(self._given, Desk) else traces.close
        await asyncio.to_thread(done, _PATIENCE)
        clean: dict[str, Any] = desk.services.redaction.told.clean(recorded.model_dump(mode="json"))
        return Recorded.model_validate(clean)

    async def __aenter__(self) -> Self:
        if not isinstance(self._given, Desk):
            loaded = (
                self._given if isinstance(self._given, Workspace) else Workspace.load(self._given)
            )
            self._opened = prepared(loaded, model=self._model)
            self._bench = await self._opened.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, traceback)
            self._opened = self._bench = None

    def __enter__(self) -> Self:
        self._loop = LoopThread("concertmaster-target")
        try:
            self._wait(self.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._wait(self.__aexit__(kind, error, traceback))
        finally:
            self._stop()

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None:
            work.close()
            raise ConfigError("the target is not open", hint="use it with `with`")
        if self._loop.inside:
            work.close()
            raise ConfigError(
                "a target cannot be called from within its own examples",
                hint="await `target.aplay` there",
            )
        return self._loop.wait(_in_context(work))

    def _stop(self) -> None:
        if self._loop is not None:
            self._loop.stop()
            self._loop = None


_PATIENCE = 2.0
"""Seconds for which a case waits until its traces were sent; what takes longer goes on beside."""


def _in_context(work: Coroutine[Any, Any, _T]) -> Coroutine[Any, Any, _T]:
    """Carry the caller's tracing context, which is bound to its thread, into another loop."""
    from langsmith.run_helpers import get_tracing_context, tracing_context

    around = {
        k: v
        for k, v in get_tracing_context().items()
        if k in ("project_name", "parent", "tags", "metadata", "enabled", "client")
    }

    async def inside() -> _T:
        with tracing_context(**around):
            return await work

    return inside()


async def traces_sent(desk: Desk, seconds: float = 10.0) -> None:
    """Wait until a desk's traces were sent, at most so many seconds, and let go of connections.

    For scripts and tests, which look at the traces next; nothing else needs to wait.
    """
    await asyncio.to_thread(desk.traces.close, seconds)


def target_for(
    workflow: Desk | Workspace | str | Path,
    *,
    reviewer: Reviewer | None = None,
    model: Any = None,
) -> Target:
    """Return a target for LangSmith's `evaluate` and `aevaluate`.

    Every example is played on a desk of its own, with books of its own; on an open desk that was
    given instead, each has a thread of its own and they share the books.

    Args:
        workflow: a workspace or its folder, or an open desk.
        reviewer: answers approvals, `(id, answer)` or None, where no line of the example's own
            `reviewer` fits.
        model: as for `concertmaster.open`.
    """
    return Target(workflow, reviewer=reviewer, model=model)


def adapted(key: str, evaluator: Evaluator) -> Callable[[Run, Example], dict[str, Any]]:
    """Return an evaluator in LangSmith's signature: it reads the run's outputs.

    It is a run's outputs that count, not whether a node of it was interrupted.
    """

    def evaluate(run: Run, example: Example) -> dict[str, Any]:
        if not run.outputs:
            told = run.error or "the run has no outputs"
            return {"key": key, "score": 0, "comment": told.splitlines()[0]}
        case = case_of(example.inputs or {}, example.outputs, str(example.id))
        score = evaluator(case, Recorded.model_validate(run.outputs))
        return {"key": key, "score": score.score, "comment": score.comment or None}

    evaluate.__name__ = key
    return evaluate


def langsmith_evaluators(
    evaluators: Mapping[str, Evaluator] = EVALUATORS,
) -> list[Callable[[Run, Example], dict[str, Any]]]:
    """Return evaluators for LangSmith's `evaluate` and `aevaluate`; all of them by default."""
    return [adapted(key, evaluator) for key, evaluator in evaluators.items()]
