"""Forms from schemas: every type, there and back."""

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from concertmaster.serving.console.fields import Unreadable, form_of, read


class Size(Enum):
    small = "S"
    large = "L"


class Address(BaseModel):
    street: str
    number: int | None = None


class Arguments(BaseModel):
    order: int
    note: str = ""
    long: Annotated[str, Field(max_length=2000)] = ""
    share: float = 0.5
    size: Size = Size.small
    reason: Literal["late", "lost"] | None = None
    urgent: bool = False
    address: Address | None = None
    tags: list[str] = []
    anything: Any = None
    either: int | str = 1


SCHEMA = Arguments.model_json_schema()


def filled(arguments: dict[str, Any], **changed: str) -> dict[str, Any]:
    """Return the arguments that come back from a form in which some fields were changed."""
    fields = form_of(SCHEMA, arguments)
    sent = {field.key: field.value.replace("\n", "\r\n") for field in fields}
    return read(fields, {**sent, **{f"arg.{k}": v for k, v in changed.items()}}, arguments)


def test_each_type_has_its_field():
    fields = {field.name: field for field in form_of(SCHEMA, {"order": 7})}
    kinds = {name: (field.kind, field.required, field.nullable) for name, field in fields.items()}
    assert kinds == {
        "order": ("number", True, False),
        "note": ("text", False, False),
        "long": ("long", False, False),
        "share": ("number", False, False),
        "size": ("choice", False, False),
        "reason": ("choice", False, True),
        "urgent": ("choice", False, False),
        "address": ("json", False, True),
        "tags": ("json", False, False),
        "anything": ("json", False, False),
        "either": ("json", False, False),
    }
    assert fields["size"].options == (("S", "S"), ("L", "L"))
    assert fields["reason"].options == (("late", "late"), ("lost", "lost"), ("null", "nothing"))
    assert fields["urgent"].options == (("true", "yes"), ("false", "no"))
    assert fields["long"].limits == {"maxlength": "2000"}
    assert fields["order"].limits == {"step": "1"}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("order", "-12", -12),
        ("order", "123456789012345678901", 123456789012345678901),
        ("note", " two\r\nlines ", " two\nlines "),
        ("share", "1e3", 1000.0),
        ("size", "L", "L"),
        ("reason", "lost", "lost"),
        ("urgent", "true", True),
        ("address", '{"street": "A", "number": 1}', {"street": "A", "number": 1}),
        ("address", "", None),
        ("tags", '["a", "b"]', ["a", "b"]),
        ("anything", '["x"]', ["x"]),
        ("either", '"1"', "1"),
    ],
)
def test_what_is_changed_has_its_type(name, text, value):
    found = filled({"order": 7}, **{name: text})
    assert found == {"order": 7, name: value}
    assert type(found[name]) is type(value)
    Arguments.model_validate(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("order", "7.5"),
        ("order", "seven"),
        ("order", "9" * 5000),
        ("share", "inf"),
        ("share", "nan"),
        ("size", "XL"),
        ("reason", "because"),
        ("urgent", "1"),
        ("address", "{"),
        ("address", "NaN"),
        ("tags", "[" * 100_000),
    ],
)
def test_what_is_no_value_is_refused_and_not_repeated(name, text):
    with pytest.raises(Unreadable) as caught:
        filled({"order": 7}, **{name: text})
    assert text[:20] not in str(caught.value) or len(text) < 4


VALUES = st.fixed_dictionaries(
    {"order": st.integers()},
    optional={
        "note": st.text(max_size=200),
        "long": st.text(max_size=200),
        "share": st.floats(allow_nan=False, allow_infinity=False),
        "size": st.sampled_from(["S", "L"]),
        "reason": st.sampled_from(["late", "lost", None]),
        "urgent": st.booleans(),
        "address": st.none() | st.fixed_dictionaries({"street": st.text(), "number": st.none()}),
        "tags": st.lists(st.text()),
        "anything": st.none() | st.text() | st.lists(st.integers()),
        "unknown to the schema": st.text() | st.integers(),
    },
)


@given(VALUES)
def test_what_is_left_as_it_was_comes_back_exactly(arguments):
    assert filled(arguments) == arguments


def test_fields_that_a_form_leaves_out_keep_their_values():
    arguments = {"order": 7, "note": "a\r\nb"}
    assert read(form_of(SCHEMA, arguments), {}, arguments) == arguments


def test_references_in_a_circle_end():
    schema = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert form_of(schema, {"a": 1})[0].kind == "json"
