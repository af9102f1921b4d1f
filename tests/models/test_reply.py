import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from concertmaster.models.reply import (
    Malformed,
    ModelUsage,
    ToolCall,
    read_data,
    read_reply,
    read_usage,
)

SCHEMA = {
    "title": "route",
    "type": "object",
    "properties": {"to": {"enum": ["a", "b"]}},
    "required": ["to"],
    "additionalProperties": False,
}


def data(text: str, calls: tuple[ToolCall, ...] = (), schema: dict[str, Any] = SCHEMA) -> Any:
    return read_data(schema, "route", text, calls)


def call(arguments: dict[str, Any], name: str = "route") -> tuple[ToolCall, ...]:
    return (ToolCall(id="1", name=name, arguments=arguments),)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("", call({"to": "a"})),
        ("thinking …", call({"to": "a"})),
        ('{"to": "a"}', ()),
        ('Sure:\n```json\n{"to": "a"}\n```\n', ()),
        ('I choose {"to": "a"} because', ()),
        ("a", ()),
        ('"a".', ()),
        ('{"to": "a"}', call({"to": "nowhere"})),
        ('{"to": "a"}', call({"to": "b"}, name="other")),
    ],
)
def test_data_are_found_wherever_the_model_put_them(text: str, calls: tuple[ToolCall, ...]) -> None:
    assert data(text, calls) == {"to": "a"}


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("", call({"to": "c"})),
        ("", call({"to": "a"}, name="other")),
        ('{"to": "a", "more": 1}', ()),
        ("[1]", ()),
        ("c", ()),
        ('{"to": NaN}', ()),
        ("{" * 3000, ()),
    ],
)
def test_data_that_do_not_fit_are_refused(text: str, calls: tuple[ToolCall, ...]) -> None:
    with pytest.raises(Malformed):
        data(text, calls)


def test_refusal_does_not_repeat_what_the_model_wrote() -> None:
    with pytest.raises(Malformed) as caught:
        data('{"to": "4111-secret"}')
    assert "secret" not in str(caught.value)


@given(st.text())
def test_data_always_satisfy_the_schema(text: str) -> None:
    try:
        found = data(text)
    except Malformed:
        return
    assert found in ({"to": "a"}, {"to": "b"})


def test_reply_is_read_with_its_calls() -> None:
    message = AIMessage(
        content="Well.\x00", tool_calls=[{"name": "look", "args": {"order": 7}, "id": None}]
    )
    text, calls = read_reply(message)
    assert text == "Well."
    assert calls == (ToolCall(id="call_0", name="look", arguments={"order": 7}),)


def test_text_of_content_blocks_is_joined() -> None:
    message = AIMessage(content=[{"type": "text", "text": "one "}, {"type": "text", "text": "two"}])
    assert read_reply(message)[0] == "one two"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (AIMessage(content="  "), "empty"),
        (AIMessage(content="x", response_metadata={"finish_reason": "length"}), "cut off"),
        (
            AIMessage(
                content="",
                invalid_tool_calls=[{"name": "a", "args": "{", "id": "1", "error": None}],
            ),
            "arguments that are no JSON",
        ),
        (
            AIMessage(
                content="", tool_calls=[{"name": "a", "args": {"x": float("nan")}, "id": "1"}]
            ),
            "no plain JSON",
        ),
        (AIMessage(content="x" * 200_001), "longer than"),
    ],
)
def test_reply_that_cannot_be_used_is_told(message: AIMessage, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        read_reply(message)


def test_usage_is_what_the_server_reports() -> None:
    message = AIMessage(
        content="x",
        usage_metadata={
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 4},
        },
    )
    assert read_usage(message) == ModelUsage(input_tokens=10, output_tokens=5, cached_tokens=4)
    assert read_usage(AIMessage(content="x")) == ModelUsage()


def test_sum_of_costs_is_known_only_if_both_are() -> None:
    known, unknown = ModelUsage(input_tokens=1, cost=0.5), ModelUsage(input_tokens=2)
    assert known.plus(known) == ModelUsage(input_tokens=2, cost=1.0)
    assert known.plus(unknown) == ModelUsage(input_tokens=3)
    json.dumps(known.cost)
