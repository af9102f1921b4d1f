"""LangChain tools, those of MCP servers included, as declared tools.

Nothing of LangChain is imported here: the tool that is given brings its own library.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, create_model, model_validator

from concertmaster.contracts.schema import misfits, schema_fault
from concertmaster.errors import ConfigError
from concertmaster.tools.signature import Described, place_of

__all__ = ["SchemaArguments", "describe_langchain", "is_langchain_tool", "schema_arguments"]


class SchemaArguments(BaseModel):
    """Arguments that a JSON Schema describes, as MCP servers give it.

    Undeclared keys are refused unless the schema allows them in so many words; declared defaults
    are filled in, so that what is decided about is what will run.
    """

    model_config = ConfigDict(extra="allow")
    declared: ClassVar[Mapping[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _fits(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError("the arguments are no object")
        properties = cls.declared.get("properties", {})
        defaults = {
            name: copy.deepcopy(about["default"])
            for name, about in properties.items()
            if isinstance(about, Mapping) and "default" in about
        }
        filled = {**defaults, **value}
        wrong = misfits(cls.declared, filled)
        if wrong:
            raise ValueError("; ".join(wrong))
        return filled

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the schema as it was declared."""
        return copy.deepcopy(dict(cls.declared))


def is_langchain_tool(target: object) -> bool:
    """Tell whether this is a LangChain tool (and not merely a function)."""
    return hasattr(target, "ainvoke") and hasattr(target, "args_schema")


def describe_langchain(tool: Any, name: str | None = None) -> Described:
    """Read name, description and schema from a LangChain tool.

    Raises:
        ConfigError: it needs values that only another framework injects, or has no schema.
    """
    called = name or str(tool.name)
    arguments = _arguments(tool, called)
    # A tool that turns its own failures into text would have them recorded as done.
    quiet = {"handle_tool_error": False, "handle_validation_error": False}
    if any(getattr(tool, setting, False) for setting in quiet):
        tool = tool.model_copy(update=quiet)
    implementation: Callable[..., Any] | None = getattr(tool, "coroutine", None)

    async def invoke(**given: Any) -> Any:
        pending: Awaitable[Any] = tool.ainvoke(given)
        return await pending

    return Described(
        function=invoke,
        name=called,
        description=str(tool.description or ""),
        arguments=arguments,
        plain=True,
        source=place_of(implementation or getattr(tool, "func", None)),
    )


def _arguments(tool: Any, called: str) -> type[BaseModel]:
    if isinstance(tool.args_schema, Mapping):
        return schema_arguments(called, tool.args_schema)
    full = tool.get_input_schema()
    offered = tool.tool_call_schema
    injected = sorted({*_names(full), *tool._injected_args_keys} - _names(offered))
    if injected:
        raise ConfigError(
            f"tool {called}: {', '.join(injected)} would be injected by LangGraph",
            hint="wrap it in a function that takes what it needs from its ToolContext",
        )
    if not issubclass(full, BaseModel):  # pydantic's first version
        return schema_arguments(called, full.schema())
    schema: type[BaseModel] = full
    closed = ConfigDict(**{**schema.model_config, "extra": "forbid"})
    return type(called, (schema,), {"model_config": closed, "__module__": schema.__module__})


def _names(schema: Any) -> set[str]:
    # A tool without arguments has no fields, which is no reason to ask pydantic's first version.
    fields = getattr(schema, "model_fields", None)
    return set(getattr(schema, "__fields__", {}) if fields is None else fields)


def schema_arguments(called: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    """Return a model of the arguments that a JSON Schema describes.

    Raises:
        ConfigError: it is no JSON Schema of an object.
    """
    fault = schema_fault(schema)
    if fault or schema.get("type", "object") != "object":
        raise ConfigError(f"tool {called}: its schema describes no object ({fault or 'type'})")
    declared = {"type": "object", "additionalProperties": False, **schema}
    model = create_model(called, __base__=SchemaArguments)
    model.declared = declared
    return model
