import asyncio
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from concertmaster.testing import (
    Call,
    Drop,
    Give,
    Say,
    ScriptedModel,
    ScriptExhausted,
    Wait,
)


@tool
def look(order: int) -> str:
    """Look an order up."""
    return str(order)


class Route(BaseModel):
    """Where to go."""

    to: str


def test_answers_come_in_order_sync_and_async() -> None:
    model = ScriptedModel("one", Say("two"), AIMessageText("three"))
    assert model.invoke("a").text == "one"
    assert asyncio.run(model.ainvoke("b")).text == "two"
    assert model.invoke("c").text == "three"
    assert model.remaining == 0


def AIMessageText(text: str) -> Say:  # noqa: N802
    return Say(AIMessage(content=text).text)


def test_every_prompt_is_recorded_with_its_tools() -> None:
    model = ScriptedModel("one", "two")
    model.invoke([SystemMessage("Be brief."), HumanMessage("canary-7")])
    model.bind_tools([look], tool_choice="look").invoke("two")
    first, second = model.prompts
    assert [m.type for m in first.messages] == ["system", "human"]
    assert "canary-7" in first.text
    assert second.tool_choice == "look"
    assert second.tools[0]["function"]["parameters"]["properties"]["order"]["type"] == "integer"


def test_several_tools_are_called_at_once() -> None:
    model = ScriptedModel([Call("look", {"order": 7}), Call("look", {"order": 8}, id="x")])
    answer = model.bind_tools([look]).invoke("Hi")
    assert [(c["name"], c["args"], c["id"]) for c in answer.tool_calls] == [
        ("look", {"order": 7}, "call_0"),
        ("look", {"order": 8}, "x"),
    ]


@pytest.mark.parametrize("arguments", ["{", "[1]"])
def test_broken_arguments_are_an_invalid_call(arguments: str) -> None:
    answer = ScriptedModel(Call("look", arguments)).invoke("Hi")
    assert answer.tool_calls == []
    assert answer.invalid_tool_calls[0]["args"] == arguments


def test_structured_data_come_by_the_tool_that_is_asked_for_or_as_text() -> None:
    model = ScriptedModel(otherwise={"to": "a"})
    assert model.with_structured_output(Route).invoke("Hi") == Route(to="a")
    assert model.bind_tools([look, Route], tool_choice="Route").invoke("Hi").tool_calls[0][
        "args"
    ] == {"to": "a"}
    assert model.bind_tools([look]).invoke("Hi").text == '{"to": "a"}'
    assert ScriptedModel(Give({"to": "b"})).invoke("Hi").text == '{"to": "b"}'


@pytest.mark.parametrize("step", [ValueError("broken"), ValueError])
def test_errors_are_raised(step: Exception) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        ScriptedModel(step).invoke("Hi")


def test_function_sees_the_messages_and_may_return_any_step() -> None:
    model = ScriptedModel(otherwise=lambda messages: Wait(0.0, lambda m: m[-1].text.upper()))
    assert model.invoke("hello").text == "HELLO"


async def test_delay_does_not_block_the_event_loop() -> None:
    model = ScriptedModel(otherwise=Wait(0.2, "late"))
    began = time.monotonic()
    await asyncio.gather(*(model.ainvoke("Hi") for _ in range(5)))
    assert 0.2 <= time.monotonic() - began < 0.8


def test_script_that_runs_out_says_so() -> None:
    model = ScriptedModel("one")
    model.invoke("a")
    with pytest.raises(ScriptExhausted, match="has 1 steps, and this is question 2"):
        model.invoke("b")
    assert len(model.prompts) == 2


def test_step_for_a_server_is_refused() -> None:
    with pytest.raises(TypeError, match="a step for openai_server"):
        ScriptedModel(Drop()).invoke("Hi")


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(TypeError, match="a int is no step"):
        ScriptedModel(3).invoke("Hi")  # type: ignore[arg-type]


def test_usage_is_counted() -> None:
    usage = ScriptedModel("one two three").invoke("a b").usage_metadata
    assert usage is not None
    assert usage["output_tokens"] == 3
