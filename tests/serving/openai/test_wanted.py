"""What clients send beside the message: accepted without effect, or refused."""

import pytest
from pydantic import ValidationError

from concertmaster.serving.openai.refusal import NotHonoured
from concertmaster.serving.openai.wanted import ChatRequest, ResponseRequest

SAID = [{"role": "user", "content": "hello"}]
# What the clients send by default or often.
USUAL = {
    "temperature": 0.2,
    "top_p": 1,
    "max_tokens": 100,
    "max_completion_tokens": 100,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "seed": 7,
    "stop": ["\n"],
    "user": "li",
    "safety_identifier": "li",
    "store": False,
    "n": 1,
    "logprobs": False,
    "tools": [{"type": "function", "function": {"name": "refund", "parameters": {}}}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {"type": "text"},
    "reasoning_effort": "low",
    "metadata": {"thread_id": "t-1", "chat": "x"},
    "chat_id": "of some user interface",
    "features": {"web_search": True},
}


def test_what_clients_send_by_default_is_accepted():
    ChatRequest(model="desk", messages=SAID, **USUAL).check()
    ResponseRequest(
        model="desk", input=SAID, instructions="Obey.", truncation="auto", include=[],
        text={"format": {"type": "text"}, "verbosity": "low"}, tools=[{"type": "web_search"}],
        tool_choice="none", reasoning={"effort": "low"}, max_output_tokens=9, store=False,
    ).check()  # fmt: skip


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("n", 2),
        ("n", 0),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "refund"}}),
        ("function_call", {"name": "refund"}),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema", "json_schema": {}}),
        ("modalities", ["text", "audio"]),
        ("logprobs", True),
    ],
)
def test_what_would_change_the_answers_form_is_refused_in_a_chat(param, value):
    with pytest.raises(NotHonoured) as refused:
        ChatRequest(model="desk", messages=SAID, **{param: value}).check()
    assert (refused.value.param, refused.value.kind) == (param, "unsupported_value")


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("tool_choice", {"tool_choice": {"type": "mcp", "server_label": "desk"}}),
        ("text.format", {"text": {"format": {"type": "json_schema"}}}),
        ("prompt", {"prompt": {"id": "pmpt_1"}}),
        ("conversation", {"previous_response_id": "resp_1", "conversation": "t-1"}),
    ],
)
def test_what_would_change_the_answers_form_is_refused_in_a_response(param, fields):
    with pytest.raises(NotHonoured) as refused:
        ResponseRequest(model="desk", input="hello", **fields).check()
    assert refused.value.param == param


@pytest.mark.parametrize("messages", [None, "hello", [], ["hello"], {"role": "user"}])
def test_messages_are_a_list_of_objects(messages):
    with pytest.raises(ValidationError):
        ChatRequest(model="desk", messages=messages)


@pytest.mark.parametrize(
    ("conversation", "thread"), [("t-1", "t-1"), ({"id": "t-1"}, "t-1"), (None, "t-2")]
)
def test_a_conversation_is_a_thread(conversation, thread):
    wanted = ResponseRequest(
        input="hello", conversation=conversation, metadata={"thread_id": "t-2"}
    )
    assert wanted.named_thread == thread


@pytest.mark.parametrize(
    "fields", [{"conversation": {"name": "t"}}, {"metadata": {"thread_id": 7}}]
)
def test_a_threads_id_is_a_string(fields):
    with pytest.raises(NotHonoured):
        _ = ResponseRequest(input="hello", **fields).named_thread
