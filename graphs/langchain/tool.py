"""Tools that put their calls to the gate themselves, wherever they are called from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_origin, get_type_hints

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.tools.base import get_all_basemodel_annotations
from pydantic import Field, PrivateAttr

from concertmaster.contracts import new_id
from concertmaster.errors import ToolError
from concertmaster.graphs.langchain.describing import argument_names, as_langchain
from concertmaster.graphs.langchain.passage import passage
from concertmaster.graphs.langchain.passing import Passing
from concertmaster.graphs.langchain.proposed import Proposed
from concertmaster.graphs.langchain.results import given
from concertmaster.tools.declaration import Tool
from concertmaster.tools.execution import run_tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from concertmaster.graphs.langchain.governance import Governance

__all__ = ["GovernedTool", "governed"]

_RUNTIME = "concertmaster_runtime"
"""The argument in which a `ToolNode` hands over what it knows of the call."""


def governed(tools: Iterable[Any], governance: Governance) -> list[BaseTool]:
    """Return the tools with the gate in front of each: for `ToolNode`, `create_agent`, programs.

    Args:
        tools: declared tools, LangChain tools or functions, all known to the governance.
        governance: decides their calls.

    Raises:
        ConfigError: something is no tool.
    """
    return [GovernedTool.of(tool, governance) for tool in tools]


class GovernedTool(BaseTool):
    """A tool whose every call is decided at the moment it is made.

    Called outside of a graph it acts for nobody, and a refusal is raised as a `ToolError` unless
    the call has an id, for which a message can be returned.
    """

    governance: Any = Field(exclude=True, repr=False)
    declared: Any = Field(default=None, exclude=True, repr=False)
    _inner: BaseTool | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, tool: Any, governance: Governance) -> GovernedTool:
        """Return the tool with the gate of this governance in front of it."""
        if type(tool) is cls and tool.governance is governance:
            return tool
        if isinstance(tool, Tool):
            return cls(
                name=tool.name,
                description=tool.description,
                args_schema={"title": tool.name, **tool.schema()},
                governance=governance,
                declared=tool,
            )
        inner = as_langchain(tool)
        wrapped = cls(
            name=inner.name,
            description=inner.description,
            args_schema=inner.args_schema or inner.get_input_schema(),
            return_direct=inner.return_direct,
            tags=inner.tags,
            metadata=inner.metadata,
            extras=inner.extras,
            response_format=inner.response_format,
            governance=governance,
        )
        wrapped._inner = inner
        return wrapped

    @property
    def func(self) -> Callable[..., Any]:
        """What a `ToolNode` reads to know which arguments it has to inject."""
        from langgraph.prebuilt import ToolRuntime

        hints = _hints(self._inner) if self._inner is not None else {}

        def injected() -> None: ...

        # A `ToolNode` injects one runtime; a tool that takes it gets it through us.
        own = any(name == "runtime" or _is_runtime(hint) for name, hint in hints.items())
        injected.__annotations__ = hints if own else {**hints, _RUNTIME: ToolRuntime}
        return injected

    @property
    def tool_call_schema(self) -> Any:
        """What the model sees: the same as of the tool itself."""
        return super().tool_call_schema if self._inner is None else self._inner.tool_call_schema

    def run(
        self,
        tool_input: Any,
        *positional: Any,
        config: Any = None,
        tool_call_id: str | None = None,
        **options: Any,
    ) -> Any:
        """Decide a call and, if it may run, run it."""
        proposed, injected = self._proposed(tool_input, config, tool_call_id)

        def run(passing: Passing) -> Any:
            if self._inner is None:
                return self.governance.background.wait(self._native(passing))
            return self._inner.invoke(_call(passing, injected, tool_call_id), config)

        steps = passage(self.governance, proposed)
        return _shown(self.governance.driver.drive(steps, run), tool_call_id)

    async def arun(
        self,
        tool_input: Any,
        *positional: Any,
        config: Any = None,
        tool_call_id: str | None = None,
        **options: Any,
    ) -> Any:
        """Decide a call and, if it may run, await it."""
        proposed, injected = self._proposed(tool_input, config, tool_call_id)

        async def run(passing: Passing) -> Any:
            if self._inner is None:
                return await self.governance.background.join(self._native(passing))
            return await self._inner.ainvoke(_call(passing, injected, tool_call_id), config)

        steps = passage(self.governance, proposed)
        return _shown(await self.governance.driver.drive_async(steps, run), tool_call_id)

    def _run(self, *_: Any, **__: Any) -> Any:
        raise ToolError(f"{self.name} is governed: call it with `invoke`, not with `_run`")

    async def _arun(self, *_: Any, **__: Any) -> Any:
        raise ToolError(f"{self.name} is governed: call it with `ainvoke`, not with `_arun`")

    async def _native(self, passing: Passing) -> ToolMessage:
        context = self.governance.clearing.context(passing)
        output = await run_tool(self.declared, passing.arguments, context)
        return given(passing.proposed, output)

    def _proposed(
        self, tool_input: Any, config: Any, tool_call_id: str | None
    ) -> tuple[Proposed, dict[str, Any]]:
        """Return the call, and what a `ToolNode` injected for the tool itself."""
        from langgraph.prebuilt import ToolRuntime

        given_ = dict(tool_input) if isinstance(tool_input, dict) else {"": tool_input}
        runtime: Any = next((v for v in given_.values() if isinstance(v, ToolRuntime)), None)
        given_.pop(_RUNTIME, None)
        if runtime is None:
            runtime = _surroundings()
            seen = set(given_)
        else:
            seen = set(given_) & argument_names(self)
        injected = {name: value for name, value in given_.items() if name not in seen}
        request = SimpleNamespace(
            tool_call={
                "name": self.name,
                "args": {name: given_[name] for name in given_ if name in seen},
                "id": tool_call_id or new_id("direct"),
            },
            tool=self,
            state=getattr(runtime, "state", ()),
            runtime=runtime,
        )
        proposed = self.governance.proposed(request)
        # Without an id the call is not known again after a resume, so it cannot wait for people.
        return (proposed if tool_call_id else replace(proposed, task=None)), injected


def _hints(tool: BaseTool) -> dict[str, Any]:
    """Return the types of a tool's arguments, injected ones included."""
    function = getattr(tool, "func", None) or getattr(tool, "coroutine", None)
    hints = get_type_hints(function, include_extras=True) if function else {}
    return hints | get_all_basemodel_annotations(tool.get_input_schema())


def _is_runtime(hint: Any) -> bool:
    from langgraph.prebuilt import ToolRuntime

    return hint is ToolRuntime or get_origin(hint) is ToolRuntime


def _surroundings() -> Any:
    """Return the runtime of the graph around a call that no `ToolNode` makes, if there is one."""
    from langgraph.runtime import get_runtime

    try:
        return get_runtime()
    except (RuntimeError, KeyError):
        return None


def _call(passing: Passing, injected: dict[str, Any], tool_call_id: str | None) -> dict[str, Any]:
    arguments = {**passing.arguments, **injected}
    if tool_call_id is None:
        return arguments
    return {
        "type": "tool_call",
        "name": passing.tool.name,
        "args": arguments,
        "id": tool_call_id,
    }


def _shown(result: Any, tool_call_id: str | None) -> Any:
    """Return what the caller expects: without a call's id the content alone, or an error."""
    if tool_call_id is not None or not isinstance(result, ToolMessage):
        return result
    if result.status == "error":
        raise ToolError(str(result.content))
    return result.content
