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

import copy
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from concertmaster.contracts import Confidentiality, ToolShape, Trust, canonical
from concertmaster.errors import ConfigError, ToolError
from concertmaster.tools.context import ToolContext
from concertmaster.tools.endorsing import Endorser
from concertmaster.tools.langchain import describe_langchain, is_langchain_tool
from concertmaster.tools.signature import Described, describe_function, returned_schema

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["Effect", "FactResolver", "Reconciler", "Tool", "ToolContext", "declare", "facts_schema"]

Effect = Literal["read", "write", "irreversible"]

FactResolver = Callable[..., Any]
"""`(arguments, ctx) -> mapping`, sync or async, read-only. Its return annotation (a TypedDict or
a pydantic model) is the schema of `context.facts` in policies."""

_NAME_LIMIT = 64
_LONGEST = 3600.0


class Reconciler(Protocol):
    """Tells whether a call took effect: its result if it did, None if it did not."""

    def __call__(self, arguments: Mapping[str, Any], ctx: ToolContext, /) -> Any:
        """Look the call up, by its arguments and its idempotency key."""


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
    targets: tuple[str, ...] | None = None
    asks: tuple[str, ...] = ()
    endorser: Endorser | None = field(default=None, repr=False)
    facts: FactResolver | None = field(default=None, repr=False)
    reconcile: Reconciler | None = field(default=None, repr=False)
    fallback: str | None = None
    waiver: str | None = None
    context_parameter: str | None = field(default=None, repr=False)
    plain: bool = field(default=False, repr=False)
    source: tuple[str, int] | None = field(default=None, repr=False)
    fault: str = field(default="", repr=False)
    """What keeps it from being used at all; the readiness gate tells it."""

    @property
    def consequential(self) -> bool:
        """Whether a call changes the world."""
        return self.effect != "read"

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        return copy.deepcopy(self._schema)

    @cached_property
    def _schema(self) -> dict[str, Any]:
        return self.arguments.model_json_schema()

    def shape(self) -> ToolShape:
        """Return what policies need to know of this tool.

        Raises:
            ConfigError: the fact resolver's return annotation is no type with a schema.
        """
        return ToolShape(
            name=self.name,
            effect=self.effect,
            arguments=self.schema(),
            facts=facts_schema(self.facts) if self.facts else None,
            label=self.label,
            trust=self.trust,
            clearance=self.clearance,
            targets=self.targets,
            asks=self.asks,
        )

    def endorsed(self, output: Any) -> Any:
        """Return the part of an output that is trusted, as plain JSON; None if nothing is.

        An endorser that fails endorses nothing.
        """
        if self.trust is Trust.trusted:
            return output
        if self.endorser is None:
            return None
        try:
            part = self.endorser(output)
            canonical(part)
        except Exception:
            return None
        return part

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as plain JSON, checked against the declared types.

        Defaults are filled in, so that what is decided about is what will run.

        Raises:
            ToolError: an argument is missing, unknown, of another type, or no plain JSON.
        """
        checked = self._checked(arguments)
        try:
            plain: dict[str, Any] = checked.model_dump(mode="json", by_alias=True)
            canonical(plain)
        except (PydanticSerializationError, ValueError, RecursionError):
            raise ToolError(f"{self.name}: the arguments are no plain JSON") from None
        return plain

    def call_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments for the function, as the types that it declares.

        Raises:
            ToolError: an argument is missing, unknown, of another type, or no plain JSON.
        """
        plain = self.validate(arguments)
        if self.plain:
            return plain
        checked = self._checked(plain)
        fields = type(checked).model_fields
        return {about.alias or name: getattr(checked, name) for name, about in fields.items()}

    def _checked(self, arguments: Mapping[str, Any]) -> BaseModel:
        try:
            return self.arguments.model_validate(dict(arguments), strict=False)
        except ValidationError as error:
            told = "; ".join(
                f"{'.'.join(str(p) for p in e['loc']) or 'arguments'}: {e['msg']}"
                for e in error.errors(include_url=False, include_input=False)[:5]
            )
            raise ToolError(f"{self.name}: the arguments do not fit ({told})") from None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the bare function, as the workspace's own code and tests may."""
        return self.function(*args, **kwargs)


@overload
def declare(
    tool: Callable[..., Any] | BaseTool | Described,
    /,
    *,
    effect: Effect = ...,
    name: str | None = ...,
    idempotent: bool = ...,
    label: str = ...,
    trusted: bool | Endorser = ...,
    clearance: str = ...,
    targets: Sequence[str] | None = ...,
    asks: Sequence[str] = ...,
    timeout: float = ...,
    facts: FactResolver | None = ...,
    reconcile: Reconciler | None = ...,
    fallback: str | None = ...,
    waiver: str | None = ...,
) -> Tool: ...
@overload
def declare(
    *,
    effect: Effect = ...,
    name: str | None = ...,
    idempotent: bool = ...,
    label: str = ...,
    trusted: bool | Endorser = ...,
    clearance: str = ...,
    targets: Sequence[str] | None = ...,
    asks: Sequence[str] = ...,
    timeout: float = ...,
    facts: FactResolver | None = ...,
    reconcile: Reconciler | None = ...,
    fallback: str | None = ...,
    waiver: str | None = ...,
) -> Callable[[Callable[..., Any] | BaseTool], Tool]: ...
def declare(
    tool: Callable[..., Any] | BaseTool | Described | None = None,
    /,
    *,
    effect: Effect = "irreversible",
    name: str | None = None,
    idempotent: bool = False,
    label: str = "restricted",
    trusted: bool | Endorser = False,
    clearance: str = "public",
    targets: Sequence[str] | None = None,
    asks: Sequence[str] = (),
    timeout: float = 20.0,
    facts: FactResolver | None = None,
    reconcile: Reconciler | None = None,
    fallback: str | None = None,
    waiver: str | None = None,
) -> Tool | Callable[[Callable[..., Any] | BaseTool], Tool]:
    """Declare a function or a LangChain tool (those of MCP servers included).

    Args:
        tool: what to declare; leave it out to use `declare` as a decorator.
        effect: `read` changes nothing; `write` can be undone; `irreversible` cannot.
        name: the tool's name, the function's own by default.
        idempotent: a second call with the same idempotency key does nothing more.
        label: confidentiality of what it returns: `public`, `internal` or `restricted`.
        trusted: whether its output may stand for a trusted source, or an endorser: a function
            that takes the output and returns the part that may (see `tools.endorsing`).
        clearance: the highest confidentiality that its arguments may carry out.
        targets: the arguments that decide whom or what a call reaches; all of them by default.
        asks: the phrases by which people ask for its effect, such as `"send email"`.
        timeout: seconds for one attempt.
        facts: resolver of the facts that policies need beyond the arguments.
        reconcile: looks up whether a call took effect when that is in doubt.
        fallback: another declared tool, called with the same arguments when this one fails.
        waiver: why a consequential tool needs no review point.

    Raises:
        ConfigError: the declaration contradicts itself or the function cannot be a tool.
    """
    declared_at = _caller()

    def attach(target: Callable[..., Any] | BaseTool | Described) -> Tool:
        described = _describe(target, name)
        called = _checked_name(described.name)
        _check_consistent(called, effect, timeout, reconcile=reconcile, waiver=waiver)
        _check_targets(called, targets, described.arguments)
        return Tool(
            name=called,
            description=described.description,
            function=described.function,
            arguments=described.arguments,
            effect=effect,
            idempotent=idempotent or effect == "read",
            label=_level(label, called),
            trust=Trust.trusted if trusted is True else Trust.untrusted,
            clearance=_level(clearance, called),
            timeout=float(timeout),
            targets=None if targets is None else tuple(targets),
            asks=_phrases(called, asks),
            endorser=trusted if callable(trusted) else None,
            facts=facts,
            reconcile=reconcile,
            fallback=fallback,
            waiver=waiver,
            context_parameter=described.context_parameter,
            plain=described.plain,
            # A wrapped tool is put right where it is declared, not inside its library.
            source=declared_at if described.plain else described.source or declared_at,
        )

    return attach if tool is None else attach(tool)


def facts_schema(resolver: FactResolver) -> dict[str, Any] | None:
    """Return the JSON Schema of what a fact resolver returns, or None if it does not say."""
    returned = returned_schema(resolver)
    return returned[1] if returned else None


def _describe(target: Any, name: str | None) -> Described:
    if isinstance(target, Tool):
        raise ConfigError(f"tool {target.name} is declared already")
    if isinstance(target, Described):
        return target
    if is_langchain_tool(target):
        return describe_langchain(target, name)
    if not callable(target):
        raise ConfigError(f"a {type(target).__name__} is neither a function nor a LangChain tool")
    return describe_function(target, name)


def _checked_name(name: str) -> str:
    if len(name) > _NAME_LIMIT or not name.isascii() or not name.isidentifier():
        raise ConfigError(
            f"{name!r} cannot be a tool's name",
            hint=f"give an ASCII identifier of at most {_NAME_LIMIT} characters: name='…'",
        )
    return name


def _check_consistent(
    tool: str, effect: str, timeout: float, *, reconcile: Reconciler | None, waiver: str | None
) -> None:
    if effect not in ("read", "write", "irreversible"):
        raise ConfigError(f"tool {tool}: effect {effect!r} is not read, write, irreversible")
    if not (isinstance(timeout, int | float) and math.isfinite(timeout) and timeout > 0):
        raise ConfigError(f"tool {tool}: timeout {timeout!r} is no positive number of seconds")
    if timeout > _LONGEST:
        raise ConfigError(f"tool {tool}: a timeout of {timeout} s is more than an hour")
    if effect == "read" and (reconcile is not None or waiver is not None):
        raise ConfigError(
            f"tool {tool}: a read has no effect to reconcile and needs no waiver",
            hint="take them away, or declare effect='write' or 'irreversible'",
        )


def _check_targets(tool: str, targets: Sequence[str] | None, arguments: type[BaseModel]) -> None:
    declared = {about.alias or name for name, about in arguments.model_fields.items()}
    unknown = sorted(set(targets or ()) - declared)
    if unknown or isinstance(targets, str):
        raise ConfigError(
            f"tool {tool}: targets names {', '.join(unknown) or 'one text'}",
            hint=f"give a list of its arguments: {', '.join(sorted(declared)) or 'it has none'}",
        )


def _phrases(tool: str, asks: Sequence[str]) -> tuple[str, ...]:
    if isinstance(asks, str) or not all(isinstance(p, str) and p.strip() for p in asks):
        raise ConfigError(f"tool {tool}: asks is no list of phrases", hint='write asks=["send"]')
    return tuple(asks)


def _level(name: str, tool: str) -> Confidentiality:
    try:
        return Confidentiality[name]
    except KeyError:
        raise ConfigError(
            f"tool {tool}: {name!r} is no confidentiality",
            hint="use public, internal or restricted",
        ) from None


def _caller() -> tuple[str, int] | None:
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno
