"""What a tool says of itself: effect, idempotency, label, clearance, facts, timeout.

A tool is a function whose argument types are its schema. `declare` attaches the declaration:

>>> from concertmaster.tools import ToolContext, declare
>>> @declare(effect="read", label="internal")
... def get_order(order_id: int, ctx: ToolContext) -> dict[str, int]:
...     "Look an order up."
...     return {"id": order_id}
>>> get_order.name, get_order.consequential
('get_order', False)

What is not declared is taken for the worst: untrusted, restricted and consequential.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from concertmaster.contracts import Confidentiality, Principal, ToolShape, Trust
from concertmaster.errors import ConfigError, ToolError

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["Effect", "FactResolver", "Tool", "ToolContext", "declare"]

Effect = Literal["read", "write", "irreversible"]

FactResolver = Callable[..., Any]
"""`(arguments, ctx) -> mapping`, sync or async, read-only. Its return annotation (a TypedDict or
a pydantic model) is the schema of `context.facts` in policies."""

_NAME_LIMIT = 64


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """What a tool may know of the call: injected into a parameter annotated `ToolContext`.

    `idempotency_key` is the same for every attempt at the same call. `data_dir` is the
    workspace's own writable folder in the home directory.
    """

    principal: Principal
    run: str
    thread: str
    idempotency_key: str
    data_dir: Path


class Reconciler(Protocol):
    """Tells whether a call took effect: its result if it did, None if it did not."""

    def __call__(self, arguments: Mapping[str, Any], ctx: ToolContext) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A declared tool. `arguments` validates and documents its parameters."""

    name: str
    description: str
    function: Callable[..., Any] = field(repr=False)
    arguments: type[BaseModel] = field(repr=False)
    effect: Effect
    idempotent: bool
    label: Confidentiality
    trust: Trust
    clearance: Confidentiality
    timeout: float
    facts: FactResolver | None = field(default=None, repr=False)
    reconcile: Reconciler | None = field(default=None, repr=False)
    fallback: str | None = None
    waiver: str | None = None
    context_parameter: str | None = field(default=None, repr=False)
    source: tuple[str, int] | None = field(default=None, repr=False)

    @property
    def consequential(self) -> bool:
        """Whether a call changes the world."""
        return self.effect != "read"

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        return self.arguments.model_json_schema()

    def shape(self) -> ToolShape:
        """Return what policies need to know of this tool."""
        return ToolShape(
            name=self.name,
            effect=self.effect,
            arguments=self.schema(),
            facts=facts_schema(self.facts) if self.facts else None,
            label=self.label,
            trust=self.trust,
            clearance=self.clearance,
        )

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as plain JSON, checked against the declared types.

        Raises:
            ToolError: an argument is missing, unknown or of another type.
        """
        try:
            checked = self.arguments.model_validate(dict(arguments), strict=False)
        except ValidationError as error:
            told = "; ".join(
                f"{'.'.join(str(p) for p in e['loc']) or 'arguments'}: {e['msg']}"
                for e in error.errors(include_url=False, include_input=False)
            )
            raise ToolError(f"{self.name}: the arguments do not fit ({told})") from None
        return checked.model_dump(mode="json")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the bare function, as the workspace's own code and tests may."""
        return self.function(*args, **kwargs)


@overload
def declare(tool: Callable[..., Any] | BaseTool, /, **declaration: Any) -> Tool: ...
@overload
def declare(
    *,
    effect: Effect = ...,
    name: str | None = ...,
    idempotent: bool = ...,
    label: str = ...,
    trusted: bool = ...,
    clearance: str = ...,
    timeout: float = ...,
    facts: FactResolver | None = ...,
    reconcile: Reconciler | None = ...,
    fallback: str | None = ...,
    waiver: str | None = ...,
) -> Callable[[Callable[..., Any]], Tool]: ...
def declare(
    tool: Callable[..., Any] | BaseTool | None = None,
    /,
    *,
    effect: Effect = "irreversible",
    name: str | None = None,
    idempotent: bool = False,
    label: str = "restricted",
    trusted: bool = False,
    clearance: str = "public",
    timeout: float = 20.0,
    facts: FactResolver | None = None,
    reconcile: Reconciler | None = None,
    fallback: str | None = None,
    waiver: str | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Declare a function or a LangChain tool (those of MCP servers included).

    Args:
        tool: what to declare; leave it out to use `declare` as a decorator.
        effect: `read` changes nothing; `write` can be undone; `irreversible` cannot.
        name: the tool's name, the function's own by default.
        idempotent: a second call with the same idempotency key does nothing more.
        label: confidentiality of what it returns: `public`, `internal` or `restricted`.
        trusted: whether its output may stand for a trusted source.
        clearance: the highest confidentiality that its arguments may carry out.
        timeout: seconds for one attempt.
        facts: resolver of the facts that policies need beyond the arguments.
        reconcile: looks up whether a call took effect when that is in doubt.
        fallback: another declared tool, called with the same arguments when this one fails.
        waiver: why a consequential tool needs no review point.

    Raises:
        ConfigError: the declaration contradicts itself or the function cannot be a tool.
    """

    def attach(target: Callable[..., Any] | BaseTool) -> Tool:
        function, own_name, description, arguments, ctx_parameter = _describe(target)
        tool_name = name or own_name
        if len(tool_name) > _NAME_LIMIT or not tool_name.isascii() or not tool_name.isidentifier():
            raise ConfigError(
                f"{tool_name!r} cannot be a tool's name",
                hint=f"use an ASCII identifier of at most {_NAME_LIMIT} characters",
            )
        if effect not in ("read", "write", "irreversible"):
            raise ConfigError(
                f"tool {tool_name}: effect {effect!r} is not read, write, irreversible"
            )
        return Tool(
            name=tool_name,
            description=description,
            function=function,
            arguments=arguments,
            effect=effect,
            idempotent=idempotent or effect == "read",
            label=_level(label, tool_name),
            trust=Trust.trusted if trusted else Trust.untrusted,
            clearance=_level(clearance, tool_name),
            timeout=timeout,
            facts=facts,
            reconcile=reconcile,
            fallback=fallback,
            waiver=waiver,
            context_parameter=ctx_parameter,
            source=_source(function),
        )

    return attach if tool is None else attach(tool)


def _level(name: str, tool: str) -> Confidentiality:
    try:
        return Confidentiality[name]
    except KeyError:
        raise ConfigError(
            f"tool {tool}: {name!r} is no confidentiality",
            hint="use public, internal or restricted",
        ) from None


def _source(function: Callable[..., Any]) -> tuple[str, int] | None:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else None


def _describe(
    target: Callable[..., Any] | BaseTool,
) -> tuple[Callable[..., Any], str, str, type[BaseModel], str | None]:
    if hasattr(target, "ainvoke") and hasattr(target, "args_schema"):
        return _describe_langchain(target)
    if not callable(target):
        raise ConfigError(f"{target!r} is neither a function nor a LangChain tool")
    hints = get_type_hints(target, include_extras=True)
    fields: dict[str, Any] = {}
    ctx_parameter = None
    for parameter in inspect.signature(target).parameters.values():
        if hints.get(parameter.name) is ToolContext:
            ctx_parameter = parameter.name
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigError(f"tool {target.__name__}: *args and **kwargs have no schema")
        if parameter.name not in hints:
            raise ConfigError(f"tool {target.__name__}: annotate the parameter {parameter.name!r}")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    model = create_model(target.__name__, __config__=ConfigDict(extra="forbid"), **fields)
    return target, target.__name__, inspect.getdoc(target) or "", model, ctx_parameter


def _describe_langchain(
    target: Any,
) -> tuple[Callable[..., Any], str, str, type[BaseModel], None]:
    schema = target.get_input_schema()
    arguments = create_model(
        target.name,
        __config__=ConfigDict(extra="forbid"),
        **{n: (f.annotation, f) for n, f in schema.model_fields.items()},
    )

    def invoke(**arguments: Any) -> Awaitable[Any]:
        return target.ainvoke(arguments)  # type: ignore[no-any-return]

    return invoke, target.name, target.description, arguments, None


def facts_schema(resolver: FactResolver) -> dict[str, Any] | None:
    """Return the JSON Schema of what a fact resolver returns, or None if it does not say."""
    returned = get_type_hints(resolver).get("return")
    if returned is None or returned in (dict, Mapping, Any):
        return None
    return TypeAdapter(returned).json_schema()
