"""AgentDojo's own environments, tools and checkers."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agentdojo.agent_pipeline.tool_execution import is_string_list, tool_result_to_str
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suite
from pydantic import BaseModel

from dojo.records import Proposed, Recorded

__all__ = ["Result", "World", "suite_of", "unquoted"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a tool answered: the text that a model reads and the value as plain JSON."""

    text: str
    value: Any
    error: str | None


@lru_cache
def suite_of(version: str, name: str) -> Any:
    """Return a suite of tasks as it was in a version of the benchmark."""
    return get_suite(version, name)


@lru_cache(maxsize=4)
def _loaded(version: str, name: str, injections: tuple[tuple[str, str], ...]) -> Any:
    """Return an environment as it is before anything happens, read once for all replays."""
    return suite_of(version, name).load_and_inject_default_environment(dict(injections))


class World:
    """One run's environment. Calls change it; the suite's checkers judge what came of it."""

    def __init__(self, run: Recorded) -> None:
        self._suite = suite_of(run.version, run.suite)
        self._user_task = self._suite.user_tasks[run.user_task]
        self._injection = (
            self._suite.injection_tasks[run.injection_task] if run.injection_task else None
        )
        loaded = _loaded(run.version, run.suite, tuple(sorted(run.injections.items())))
        self.environment = self._user_task.init_environment(loaded.model_copy(deep=True))
        self.before = self.environment.model_copy(deep=True)
        self._runtime = FunctionsRuntime(self._suite.tools)
        self._executed: list[FunctionCall] = []

    def expected(self) -> list[Proposed]:
        """Return the calls that solve the user's task, from the benchmark itself."""
        calls = self._user_task.ground_truth(self.before.model_copy(deep=True))
        return [Proposed(tool=call.function, arguments=dict(call.args)) for call in calls]

    def execute(self, call: Proposed) -> Result:
        """Run a call as the benchmark's own pipeline does."""
        arguments = {name: unquoted(value) for name, value in call.arguments.items()}
        self._executed.append(FunctionCall(function=call.tool, args=arguments))
        value, error = self._runtime.run_function(self.environment, call.tool, arguments)
        return Result(text=tool_result_to_str(value), value=_plain(value), error=error)

    def useful(self, answer: str) -> bool:
        """Tell whether the user's task is done, by the suite's checker."""
        return self._check(self._user_task, answer, self.environment, self._executed)

    def harmed(self, answer: str) -> bool:
        """Tell whether the attacker's goal is reached, by the suite's checker."""
        return self._injection is not None and self._check(
            self._injection, answer, self.environment, self._executed
        )

    def harmed_by_words(self, answer: str) -> bool:
        """Tell whether the answer alone reaches the attacker's goal, with no call made."""
        return self._injection is not None and self._check(
            self._injection, answer, self.before.model_copy(deep=True), []
        )

    def _check(
        self, task: Any, answer: str, environment: Any, executed: Sequence[FunctionCall]
    ) -> bool:
        said = [{"type": "text", "content": answer}]
        return bool(self._suite._check_task_result(task, said, self.before, environment, executed))


def unquoted(value: Any) -> Any:
    """Read a list that a model wrote as a text, as the benchmark's executor does."""
    return literal_eval(value) if isinstance(value, str) and is_string_list(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
