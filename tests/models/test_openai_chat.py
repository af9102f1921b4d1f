import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models import Choice, Models
from concertmaster.testing import (
    Call,
    Drop,
    Flood,
    Garbage,
    Hang,
    OpenAIServer,
    Status,
    openai_server,
)

from .conftest import SCHEMA, TOOL  # noqa: TID252


@asynccontextmanager
async def served(
    *steps: Any, model: str = "", **settings: Any
) -> AsyncIterator[tuple[OpenAIServer, Models, Choice]]:
    async with openai_server(*steps, **settings) as server:
        models = Models.of(server.url + model)
        try:
            yield server, models, models.choose(ModelNeed(need="chat", clearance="restricted"))
        finally:
            await models.aclose()


async def test_server_is_asked_over_http() -> None:
    async with served("Hello there.", model="#llama") as (server, models, choice):
        reply = await models.complete(choice, [{"role": "user", "content": "Hi"}])
        assert reply.text == "Hello there."
        assert reply.usage.input_tokens > 0
        assert reply.usage.cost is None
        (request,) = server.requests
        assert request.body["model"] == "llama"
        assert request.body["temperature"] == 0
        assert request.messages == [{"role": "user", "content": "Hi"}]


async def test_model_is_looked_up_when_the_url_names_none() -> None:
    async with served("One.", "Two.", models=("first", "second")) as (server, models, choice):
        await models.complete(choice, "Hi")
        await models.complete(choice, "Hi")
        assert [r.path for r in server.requests] == [
            "/v1/models",
            "/v1/chat/completions",
            "/v1/chat/completions",
        ]
        assert server.requests[1].body["model"] == "first"


async def test_server_that_lists_nothing_is_told() -> None:
    async with served(models=()) as (_, models, choice):
        with pytest.raises(ModelUnavailable, match="serves no model"):
            await models.complete(choice, "Hi")


@pytest.mark.parametrize(
    ("path", "models", "told"),
    [
        ("/nothing", ("m",), r"serves: it does not know this model or address \(HTTP 404\)"),
        ("", Flood("until_closed", 500), "serves: it answered something else"),
    ],
)
async def test_base_url_that_is_no_model_server_is_told_with_the_fix(
    path: str, models: Any, told: str
) -> None:
    async with openai_server(models=models) as server:
        wrong = Models.of(server.url + path)
        with pytest.raises(ModelUnavailable, match=told) as caught:
            await wrong.complete(wrong.choose(ModelNeed(need="chat")), "Hi")
        await wrong.aclose()
    assert "URL#MODEL" in (caught.value.hint or "")
    assert "correct its URL" in (caught.value.hint or "")


async def test_page_instead_of_an_answer_is_told() -> None:
    page = Garbage("<html>Welcome to nginx!</html>")
    async with served(otherwise=page, model="#m") as (_, models, choice):
        with pytest.raises(ModelError, match="answered no JSON") as caught:
            await models.complete(choice, "Hi")
    assert (caught.value.kind, "nginx" in str(caught.value)) == ("malformed", False)


async def test_key_goes_only_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with served("Hello.", model="#m") as (server, models, choice):
        await models.complete(choice, "Hi")
        assert "sk-secret" not in str(server.requests[0].headers)


async def test_tool_calls_come_back() -> None:
    calls = [Call("look", {"order": 7}), Call("look", {"order": 8})]
    async with served(calls, model="#m") as (server, models, choice):
        reply = await models.complete(choice, "Hi", tools=[TOOL])
        assert [c.arguments for c in reply.tool_calls] == [{"order": 7}, {"order": 8}]
        assert server.requests[0].body["tools"] == [TOOL]


async def test_broken_arguments_are_tried_again_and_then_told() -> None:
    async with served(Call("look", "{"), Call("look", "{"), model="#m") as (server, models, choice):
        with pytest.raises(ModelError, match="arguments that are no JSON"):
            await models.complete(choice, "Hi", tools=[TOOL])
        assert len(server.requests) == 2


async def test_server_that_refuses_tools_is_asked_in_words() -> None:
    async with served(Status(400), '{"to": "a"}', model="#m") as (server, models, choice):
        assert (await models.complete(choice, "Hi", schema=SCHEMA)).data == {"to": "a"}
        assert ["tools" in r.body for r in server.requests] == [True, False]


@pytest.mark.parametrize(
    ("failure", "kind", "told", "asked"),
    [
        (Status(401, "bad key sk-secret"), ModelUnavailable, r"refused the key \(HTTP 401\)", 1),
        (Status(404), ModelUnavailable, "does not know this model", 1),
        (Status(429), ModelUnavailable, r"overloaded or broken \(HTTP 429\)", 2),
        (Status(503), ModelUnavailable, r"overloaded or broken \(HTTP 503\)", 2),
        (Status(400), ModelError, r"refused the request \(HTTP 400\)", 1),
        (Drop(), ModelUnavailable, "cannot be reached", 2),
        (Garbage(), ModelError, "answered no JSON", 2),
        (Garbage("{}"), ModelError, "failed|cannot be used", 2),
    ],
)
async def test_failure_of_the_server_is_told_in_words(
    failure: Any, kind: type[ModelError], told: str, asked: int
) -> None:
    async with served(otherwise=failure, model="#m") as (server, models, choice):
        with pytest.raises(ModelError, match=told) as caught:
            await models.complete(choice, "Hi")
        assert type(caught.value) is kind
        assert "sk-secret" not in str(caught.value)
        assert len(server.requests) == asked


@pytest.mark.parametrize("failure", [Status(500), Drop(), Garbage()])
async def test_one_failure_is_survived(failure: Any) -> None:
    async with served(failure, "Hello.", model="#m") as (_, models, choice):
        assert (await models.complete(choice, "Hi")).text == "Hello."


async def test_hanging_server_is_given_up() -> None:
    async with served(Hang(), model="#m") as (_, models, choice):
        with pytest.raises(ModelError, match=r"did not answer within 0\.\d+ s"):
            await models.complete(choice, "Hi", timeout=0.3)


async def test_server_that_is_not_there_is_told() -> None:
    async with served("x", model="#m") as (_, models, choice):
        pass
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        await models.complete(choice, "Hi")
    await models.aclose()


def test_each_event_loop_has_its_own_connections() -> None:
    with openai_server(otherwise="Hello.") as server:
        models = Models.of(server.url)
        choice = models.choose(ModelNeed(need="chat"))

        async def once() -> str:
            try:
                return (await models.complete(choice, "Hi")).text
            finally:
                await models.aclose()

        assert [asyncio.run(once()) for _ in range(3)] == ["Hello."] * 3


async def test_many_questions_at_once_are_answered() -> None:
    async with served(otherwise="Hello.") as (_, models, choice):
        replies = await asyncio.gather(*(models.complete(choice, "Hi") for _ in range(20)))
        assert {r.text for r in replies} == {"Hello."}
