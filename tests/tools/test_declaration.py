import datetime
import subprocess
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import InjectedToolArg, StructuredTool, ToolException, tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from concertmaster.contracts import Confidentiality, Trust
from concertmaster.errors import ConfigError, ToolError
from concertmaster.tools import Tool, ToolContext, declare
from concertmaster.tools.declaration import facts_schema

MCP_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "default": 3},
    },
    "required": ["city"],
}


async def forecast(**arguments: Any) -> dict[str, Any]:
    return arguments


def mcp_tool(**settings: Any) -> StructuredTool:
    return StructuredTool(
        name="forecast",
        description="Tell the weather.",
        args_schema=MCP_SCHEMA,
        coroutine=forecast,
        **settings,
    )


class Order(TypedDict):
    total: int
    owner: str


def test_an_undeclared_effect_is_taken_for_the_worst() -> None:
    @declare
    def act(order: int) -> None:
        """Do something."""

    assert act.effect == "irreversible"
    assert act.consequential
    assert not act.idempotent
    assert act.label is Confidentiality.restricted
    assert act.trust is Trust.untrusted
    assert act.clearance is Confidentiality.public


def test_reads_are_idempotent_and_not_consequential() -> None:
    @declare(effect="read")
    def look(order: int) -> None: ...

    assert look.idempotent
    assert not look.consequential


def test_context_parameter_is_not_part_of_the_schema() -> None:
    @declare(effect="read")
    def look(order: int, ctx: Annotated[ToolContext | None, "injected"] = None) -> None: ...

    assert look.context_parameter == "ctx"
    assert set(look.schema()["properties"]) == {"order"}


def test_constraints_in_annotated_types_are_checked() -> None:
    @declare(effect="read")
    def look(order: Annotated[int, Field(gt=0)]) -> None: ...

    with pytest.raises(ToolError, match="order: Input should be greater than 0"):
        look.validate({"order": 0})


def test_defaults_are_filled_in() -> None:
    @declare(effect="read")
    def look(order: int, note: str | None = None, tags: list[str] = []) -> None: ...  # noqa: B006

    assert look.validate({"order": 1}) == {"order": 1, "note": None, "tags": []}
    assert look.schema()["required"] == ["order"]


def test_default_that_does_not_fit_its_type_is_refused() -> None:
    def look(order: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    with pytest.raises(ConfigError, match=r"default of order does not fit"):
        declare(look)


def test_unknown_arguments_are_refused_without_telling_their_value() -> None:
    @declare(effect="read")
    def look(order: int) -> None: ...

    with pytest.raises(ToolError) as caught:
        look.validate({"order": 1, "secret": "xyzzy"})
    assert "secret" in str(caught.value)
    assert "xyzzy" not in str(caught.value)


def test_parameters_may_have_names_that_pydantic_keeps_for_itself() -> None:
    @declare(effect="read")
    def look(schema: int, _hidden: str, copy: bool = False, model_name: str = "a") -> None: ...

    arguments = {"schema": 1, "_hidden": "x"}
    assert look.validate(arguments) == {**arguments, "copy": False, "model_name": "a"}
    assert look.call_arguments(arguments) == look.validate(arguments)


def test_function_gets_its_declared_types_and_the_record_plain_json() -> None:
    class Address(BaseModel):
        city: str

    def move(to: Address, on: datetime.date) -> None: ...

    move.__annotations__ = {"to": Address, "on": datetime.date}
    moved = declare(move)
    plain = moved.validate({"to": {"city": "Ulm"}, "on": "2026-01-31"})
    assert plain == {"to": {"city": "Ulm"}, "on": "2026-01-31"}
    assert moved.call_arguments(plain) == {
        "to": Address(city="Ulm"),
        "on": datetime.date(2026, 1, 31),
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_values_that_are_no_json_are_refused(value: Any) -> None:
    @declare(effect="read")
    def look(amount: float | str) -> None: ...

    with pytest.raises(ToolError):
        look.validate({"amount": value})


@given(st.integers() | st.text() | st.none() | st.lists(st.integers()))
def test_validation_of_validated_arguments_changes_nothing(value: Any) -> None:
    @declare(effect="read")
    def look(value: int | str | list[int] | None = None) -> None: ...

    once = look.validate({"value": value})
    assert look.validate(once) == once


def starred(*orders: int) -> None: ...
def keywords(**orders: int) -> None: ...
def unannotated(order) -> None: ...  # type: ignore[no-untyped-def]
def positional(order: int, /) -> None: ...
def missing(order: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def opaque(order: object = object()) -> None: ...


class Callable_:  # noqa: N801
    def __call__(self, order: int) -> int:
        return order


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (starred, "no schema"),
        (keywords, "no schema"),
        (unannotated, "annotate the parameter 'order'"),
        (positional, "cannot be given by name"),
        (missing, "'Nowhere' is not defined"),
        (3, "neither a function nor a LangChain tool"),
        (int, "is a class"),
        (Callable_(), "has no name"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_in_words(target: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        declare(target)


def test_callable_object_can_be_declared_under_a_name() -> None:
    doubled = declare(Callable_(), name="echo", effect="read")
    assert doubled.name == "echo"
    assert doubled.validate({"order": 4}) == {"order": 4}


@pytest.mark.parametrize(
    ("declaration", "told"),
    [
        ({"effect": "maybe"}, "is not read, write, irreversible"),
        ({"label": "secret"}, "is no confidentiality"),
        ({"timeout": 0}, "no positive number of seconds"),
        ({"timeout": float("inf")}, "no positive number of seconds"),
        ({"timeout": 4000}, "more than an hour"),
        ({"name": "two words"}, "cannot be a tool's name"),
        ({"name": "x" * 65}, "cannot be a tool's name"),
        ({"effect": "read", "waiver": "harmless"}, "needs no waiver"),
    ],
)
def test_contradictory_declaration_is_refused(declaration: dict[str, Any], told: str) -> None:
    def act(order: int) -> None: ...

    with pytest.raises(ConfigError, match=told):
        declare(act, **declaration)


def test_source_is_where_the_tool_is_declared() -> None:
    @declare(effect="read")
    def look(order: int) -> None: ...

    wrapped = declare(mcp_tool(), effect="read")
    assert look.source is not None
    assert look.source[0] == __file__
    assert wrapped.source is not None
    assert wrapped.source[0] == __file__


def test_mcp_tool_keeps_its_json_schema_and_refuses_what_it_does_not_declare() -> None:
    declared = declare(mcp_tool(), effect="read")
    assert declared.schema()["properties"] == MCP_SCHEMA["properties"]
    assert declared.validate({"city": "Ulm"}) == {"city": "Ulm", "days": 3}
    with pytest.raises(ToolError, match="days: is not of type integer"):
        declared.validate({"city": "Ulm", "days": "three"})
    with pytest.raises(ToolError, match="not declared"):
        declared.validate({"city": "Ulm", "units": "K"})


def test_mcp_tool_with_a_broken_schema_is_refused() -> None:
    broken = mcp_tool()
    broken.args_schema = {"type": "object", "properties": {"city": {"type": "text"}}}
    with pytest.raises(ConfigError, match="describes no object"):
        declare(broken)


async def test_langchain_tool_is_called_with_the_checked_arguments() -> None:
    declared = declare(mcp_tool(), effect="read")
    arguments = declared.call_arguments({"city": "Ulm"})
    assert await declared.function(**arguments) == {"city": "Ulm", "days": 3}


async def test_failure_that_a_langchain_tool_would_put_into_words_stays_a_failure() -> None:
    @tool
    def broken(city: str) -> str:
        """Fail."""
        raise ToolException("no such city")

    broken.handle_tool_error = True
    declared = declare(broken, effect="read")
    with pytest.raises(ToolException):
        await declared.function(city="Ulm")
    assert broken.handle_tool_error is True


def test_langchain_function_tool_takes_its_types() -> None:
    @tool
    def weather(city: str, days: int = 2) -> str:
        """Tell the weather."""
        return city * days

    declared = declare(weather, effect="read")
    assert declared.validate({"city": "Ulm", "days": "4"}) == {"city": "Ulm", "days": 4}
    with pytest.raises(ToolError):
        declared.validate({"city": "Ulm", "other": 1})


def test_injected_langchain_arguments_are_refused() -> None:
    @tool
    def weather(city: str, who: Annotated[str, InjectedToolArg]) -> str:
        """Tell the weather."""
        return city + who

    with pytest.raises(ConfigError, match="who would be injected"):
        declare(weather)


def test_facts_schema_comes_from_the_return_annotation() -> None:
    def order(arguments: Mapping[str, Any], ctx: ToolContext) -> Order | None:
        return None

    def anything(arguments: Mapping[str, Any], ctx: ToolContext) -> dict[str, Any]:
        return {}

    schema = facts_schema(order)
    assert schema is not None
    assert set(schema["properties"]) == {"total", "owner"}
    assert facts_schema(anything) is None


def test_shape_tells_policies_what_the_declaration_says() -> None:
    def order(arguments: Mapping[str, Any], ctx: ToolContext) -> Order:
        return {"total": 1, "owner": "ana"}

    @declare(effect="write", label="internal", trusted=True, clearance="restricted", facts=order)
    def act(order: int) -> None: ...

    shape = act.shape()
    assert (shape.name, shape.effect, shape.consequential) == ("act", "write", True)
    assert shape.label is Confidentiality.internal
    assert shape.trust is Trust.trusted
    assert shape.clearance is Confidentiality.restricted
    assert shape.facts is not None
    assert set(shape.facts["properties"]) == {"total", "owner"}


def test_tool_cannot_be_declared_twice() -> None:
    declared = declare(mcp_tool(), effect="read")
    assert isinstance(declared, Tool)
    with pytest.raises(ConfigError, match="declared already"):
        declare(declared)


def test_declaring_tools_imports_no_agent_framework() -> None:
    program = (
        "import sys, concertmaster.tools, concertmaster.tools.effects;"
        "import concertmaster.tools.toolbox;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('langchain_core', 'langgraph', 'jsonschema')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_schema_that_a_caller_changes_stays_what_it_is():
    @declare(effect="read", label="internal")
    def look_up(order: int) -> dict[str, int]:
        """Look an order up."""
        return {"id": order}

    look_up.schema()["properties"].clear()
    assert set(look_up.schema()["properties"]) == {"order"}
