"""What policies can see of a schema, and how values become Cedar's."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import ToolShape
from concertmaster.policies.fields import Field, read_fields
from concertmaster.policies.lowering import NotLowered, lower, refuse_hostile

INTEGERS = Field(kind="integer", many=True, required=True)
LISTS = "a list of something else than plain values"


def one(schema: dict[str, Any], *, required: bool = True) -> Field | str:
    whole = {"properties": {"x": schema}, "required": ["x"] if required else []}
    fields = read_fields(whole)
    return fields.visible.get("x") or fields.hidden["x"]


def lowered(schema: dict[str, Any], value: Any) -> Any:
    fields = read_fields({"properties": {"x": schema}})
    return lower(fields, {"x": value}, noun="argument").get("x")


def test_kinds_of_a_real_schema(shapes: dict[str, ToolShape]):
    fields = read_fields(shapes["everything"].arguments)
    assert {name: (f.kind, f.many) for name, f in fields.visible.items()} == {
        "text": ("string", False),
        "number": ("integer", False),
        "flag": ("boolean", False),
        "ratio": ("decimal", False),
        "price": ("decimal", False),
        "colour": ("string", False),
        "size": ("string", False),
        "level": ("integer", False),
        "tags": ("string", True),
        "numbers": ("integer", True),
        "prices": ("decimal", True),
    }
    assert [name for name, f in fields.visible.items() if f.required] == ["text", "number"]
    assert set(fields.hidden) == {"nested", "thing", "either", "mixed", "pair", "free"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, Field(kind="string", required=True)),
        ({"type": ["string", "null"]}, Field(kind="string")),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, Field(kind="integer")),
        ({"oneOf": [{"type": "null"}, {"type": "boolean"}]}, Field(kind="boolean")),
        ({"const": "a"}, Field(kind="string", required=True)),
        ({"enum": [True, False]}, Field(kind="boolean", required=True)),
        ({"type": "string", "format": "decimal"}, Field(kind="decimal", required=True)),
        ({"allOf": [{"type": "integer"}]}, Field(kind="integer", required=True)),
        ({"type": "array", "items": {"const": 1}}, INTEGERS),
        ({"enum": [1, True]}, "a union"),
        ({"enum": []}, "a union"),
        ({"type": ["string", "integer"]}, "a union"),
        ({"type": "null"}, "nothing but null"),
        ({"type": "object"}, "an object"),
        ({"type": "array"}, "a list of mixed values"),
        ({"type": "array", "items": {"type": "array"}}, LISTS),
        ({}, "a union"),
        (True, "a union"),
        ({"$ref": "#/$defs/missing"}, "a union"),
        ({"$ref": "http://elsewhere/x"}, "a union"),
    ],
)  # fmt: skip
def test_kind_of_a_schema(schema: Any, expected: Field | str):
    assert one(schema) == expected


def test_reference_to_itself_ends():
    schema = {
        "properties": {"x": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"$ref": "#/$defs/a"}},
    }
    assert set(read_fields(schema).hidden) == {"x"}


@pytest.mark.parametrize("schema", [None, {}, {"properties": {}}, {"type": "object"}])
def test_schema_without_properties_shows_nothing(schema: Any):
    assert read_fields(schema).names == frozenset()


def decimal(text: str) -> dict[str, Any]:
    return {"__extn": {"fn": "decimal", "arg": text}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3000"),
        (1, "1.0000"),
        ("12.5", "12.5000"),
        (Decimal("-3.1415"), "-3.1415"),
        (1e-9, "0.0000"),
        ("922337203685477.5807", "922337203685477.5807"),
        ("-922337203685477.5808", "-922337203685477.5808"),
    ],
)
def test_numbers_become_decimals_of_four_digits(value: Any, text: str):
    assert lowered({"type": "number"}, value) == decimal(text)


@pytest.mark.parametrize(
    "value",
    ["922337203685477.5808", "1e30", "0.00001", "", "x", "inf", float("inf"), True, [1], {}],
)
def test_what_is_no_decimal_of_cedar_is_refused(value: Any):
    with pytest.raises(NotLowered, match="'x'"):
        lowered({"type": "number"}, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 1),
        ("integer", True),
        ("integer", 1.0),
        ("integer", "1"),
        ("integer", 2**63),
        ("boolean", 1),
        ("boolean", "true"),
    ],
)
def test_value_of_another_type_is_refused(kind: str, value: Any):
    with pytest.raises(NotLowered, match="'x'"):
        lowered({"type": kind}, value)
    with pytest.raises(NotLowered, match="'x'"):
        lowered({"type": "array", "items": {"type": kind}}, [value])


def test_null_is_dropped_and_a_missing_required_value_refused():
    assert lowered({"type": "string"}, None) is None
    fields = read_fields({"properties": {"x": {"type": "string"}}, "required": ["x"]})
    for values in ({}, {"x": None}):
        with pytest.raises(NotLowered, match="'x' is missing"):
            lower(fields, values, noun="argument")


@pytest.mark.parametrize("key", ["__entity", "__extn", "__expr"])
def test_reserved_keys_are_refused_at_any_depth(key: str):
    refuse_hostile({"__entities": {"_entity": 1}})
    for value in ({key: 1}, {"a": [{"b": ({key: 1},)}]}):
        with pytest.raises(NotLowered, match=key):
            refuse_hostile(value)


@given(st.integers())
def test_integers_pass_exactly_if_they_fit_into_64_bits(value: int):
    fits = -(2**63) <= value < 2**63
    try:
        assert lowered({"type": "integer"}, value) == value
        refuse_hostile([value])
        assert fits
    except NotLowered:
        assert not fits


@given(st.decimals(allow_nan=False, places=4, min_value=-(10**14), max_value=10**14))
def test_decimal_text_is_kept_exactly(value: Decimal):
    assert Decimal(lowered({"type": "number"}, str(value))["__extn"]["arg"]) == value


@given(st.floats(min_value=-1e9, max_value=1e9))
def test_float_is_rounded_by_less_than_its_last_digit(value: float):
    arg = lowered({"type": "number"}, value)["__extn"]["arg"]
    assert abs(Decimal(arg) - Decimal(value)) <= Decimal("0.00005000001")
