import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from concertmaster.tools.plain import NotPlain, plain_json


class State(Enum):
    open = "open"


@dataclass
class Line:
    name: str
    price: Decimal


class Order(BaseModel):
    id: int
    lines: list[Any]
    placed: datetime


def test_models_dataclasses_and_values_become_plain_json() -> None:
    order = Order(
        id=1,
        lines=[Line("a", Decimal("1E+2")), State.open, {"b", "a"}, UUID(int=1)],
        placed=datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert plain_json(OrderedDict(order=order, on=date(2026, 1, 2), took=timedelta(seconds=2))) == {
        "order": {
            "id": 1,
            "lines": [
                {"name": "a", "price": "100"},
                "open",
                ["a", "b"],
                "00000000-0000-0000-0000-000000000001",
            ],
            "placed": "2026-01-02T00:00:00+00:00",
        },
        "on": "2026-01-02",
        "took": 2.0,
    }


def test_strings_and_keys_are_cleaned() -> None:
    assert plain_json({"a\x00": "x\ud800\u202e\x1b[31m"}) == {"a": "x\ufffd[31m"}


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append([value])
    return value


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "not a finite number"),
        ({"a": [1, float("inf")]}, r"the result\.a\[1\] is not a finite number"),
        (Decimal("NaN"), "not a finite number"),
        (b"secret", "is a bytes"),
        ({"a": object()}, r"the result\.a is a object"),
        ({(1, 2): 3}, "has a tuple as a key"),
        ({1: "a", "1": "b"}, "two keys that are the same"),
        (cycle(), "contains itself"),
        (nested(100), "nested more than 64 deep"),
        (10**400, "more than 300 digits"),
        ((x for x in [1]), "is a generator"),
    ],
)
def test_what_is_no_json_is_told_without_its_value(value: Any, told: str) -> None:
    with pytest.raises(NotPlain, match=told) as caught:
        plain_json(value)
    assert "secret" not in str(caught.value)


def test_shared_values_that_grow_without_bound_are_stopped_early() -> None:
    value: Any = "x" * 100
    for _ in range(40):
        value = [value, value]
    with pytest.raises(NotPlain, match="larger than 1 MB"):
        plain_json(value, limit=2**20)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_result_can_be_written_as_json_and_stays_as_it_is(value: Any) -> None:
    try:
        plain = plain_json(value)
    except NotPlain:
        return
    json.dumps(plain, allow_nan=False).encode()
    assert plain_json(plain) == plain
