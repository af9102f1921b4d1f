"""LangChain's tools as declared ones, and whether the tool that runs is the one declared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from concertmaster.errors import ConfigError, ToolError
from concertmaster.tools.declaration import Tool, declare
from concertmaster.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["argument_names", "as_langchain", "toolbox_of", "visible"]


def visible(tool: Any) -> BaseTool:
    """Return a LangChain tool as the model sees it, without what LangGraph injects into it.

    For declaring a tool that takes state, a store or a runtime: `declare(visible(tool), …)`. It
    describes the tool and cannot be called; the tool itself runs in its graph.
    """
    from langchain_core.tools import StructuredTool

    seen = as_langchain(tool)
    name = seen.name

    def only_described(**_: Any) -> None:
        raise ToolError(f"{name} runs in its own graph and was only described here")

    return StructuredTool(
        name=name,
        description=seen.description,
        args_schema=seen.tool_call_schema,
        func=only_described,
    )


def as_langchain(tool: Any) -> BaseTool:
    """Return the LangChain tool that `create_agent` or `ToolNode` makes of what they are given.

    Raises:
        ConfigError: it is neither a tool nor a function.
    """
    from langchain_core.tools import BaseTool
    from langchain_core.tools import tool as create

    if isinstance(tool, BaseTool):
        return tool
    if isinstance(tool, dict):
        raise ConfigError(
            "a tool that runs at the model's provider cannot be governed",
            hint="leave it out, or put a tool of your own in its place",
        )
    if not callable(tool):
        raise ConfigError(f"a {type(tool).__name__} is neither a tool nor a function")
    made: BaseTool = create(tool)
    return made


def toolbox_of(tools: Iterable[Any]) -> Toolbox:
    """Return declared tools by name. What is not declared is taken for the worst.

    Raises:
        ConfigError: something is no tool, or its name is no identifier.
        WorkspaceError: two have one name.
    """
    return Toolbox.of(*(_declared(tool) for tool in tools))


def _declared(tool: Any) -> Tool:
    if isinstance(tool, Tool):
        return tool
    declared = getattr(tool, "declared", None)
    if isinstance(declared, Tool):
        return declared
    return declare(visible(tool))


def argument_names(tool: BaseTool) -> frozenset[str]:
    """Return the names of the arguments that a model can give."""
    return frozenset(tool.args)
