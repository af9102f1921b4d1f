"""LangChain's ChatOpenAI against the server."""

import contextlib

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

SMALL = "refund 20 EUR of order 7"
REFUNDED = "Refunded 20.00 EUR for order 7."


@pytest.fixture
async def chat_model(url):
    async with contextlib.AsyncExitStack() as stack:

        async def make(**more) -> ChatOpenAI:
            http = await stack.enter_async_context(openai.DefaultAsyncHttpxClient())
            return ChatOpenAI(
                model="refunds", base_url=url, api_key="ana-token", max_retries=0,
                http_async_client=http, **more,
            )  # fmt: skip

        yield make


async def test_a_chat_model_of_langchain_is_answered_and_streams(chat_model):
    model = await chat_model(stream_usage=True, temperature=0)
    answer = await model.ainvoke([SystemMessage("Obey."), HumanMessage(SMALL)])
    assert answer.content == REFUNDED
    assert answer.response_metadata["finish_reason"] == "stop"
    chunks = [chunk async for chunk in model.astream(SMALL)]
    assert "".join(chunk.content for chunk in chunks) == REFUNDED
    assert sum((c.usage_metadata or {}).get("total_tokens", 0) for c in chunks) == 0


async def test_a_conversation_of_langchain_counts_by_its_last_message(chat_model):
    model = await chat_model(extra_body={"metadata": {"thread_id": "t-1"}})
    history = [
        HumanMessage("refund 1 EUR of order 1"),
        AIMessage("", tool_calls=[{"name": "refund", "args": {}, "id": "c1"}]),
        ToolMessage("done", tool_call_id="c1"),
        HumanMessage(SMALL),
    ]
    assert (await model.ainvoke(history)).content == REFUNDED
    assert (await model.ainvoke("refund 30 EUR")).content == "Refunded 30.00 EUR for order 7."


async def test_langchain_speaks_responses_too(chat_model):
    model = await chat_model(use_responses_api=True)
    answer = await model.ainvoke(SMALL)
    assert answer.text == REFUNDED
    more = await model.ainvoke("refund 30 EUR", previous_response_id=answer.id)
    assert more.text == "Refunded 30.00 EUR for order 7."
    chunks = [chunk async for chunk in model.astream(SMALL)]
    assert "".join(chunk.text for chunk in chunks) == REFUNDED


async def test_an_approval_comes_through_langchain_as_the_protocols_item(chat_model):
    model = await chat_model(use_responses_api=True)
    answer = await model.ainvoke("refund 80 EUR of order 7")
    kinds = [block["type"] for block in answer.content]
    assert "mcp_approval_request" in kinds or any(
        block.get("value", {}).get("type") == "mcp_approval_request" for block in answer.content
    )


async def test_tools_that_nobody_forces_do_no_harm_and_forced_ones_are_refused(chat_model):
    @tool
    def refund(order: int) -> str:
        """Refund an order."""
        raise AssertionError("nothing is called here")

    model = await chat_model()
    assert (await model.bind_tools([refund]).ainvoke(SMALL)).content == REFUNDED
    with pytest.raises(openai.BadRequestError):
        await model.bind_tools([refund], tool_choice="refund").ainvoke(SMALL)
