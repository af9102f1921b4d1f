"""How data are asked for: by tool, by a schema that binds the answer, in words; in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ModelError
from concertmaster.models import Models, ModelSpec
from concertmaster.models.question import Question
from concertmaster.testing import Ended, Garbage, Give, ScriptedModel, Status, openai_server

from .conftest import SCHEMA, TOOL  # noqa: TID252

ASKED = [{"role": "user", "content": "Which way?"}]
STRICT = {**SCHEMA, "additionalProperties": False}
A = Give({"to": "a"})


@asynccontextmanager
async def served(*steps: Any, **declared: Any) -> AsyncIterator[Any]:
    async with openai_server(*steps) as server:
        spec = ModelSpec(name="m", provider="url", base_url=server.url, model="m", **declared)
        models = Models.of(spec)
        try:
            yield server, models, models.choose(ModelNeed(need="chat"))
        finally:
            await models.aclose()


def ways(server: Any) -> list[str]:
    """Return how data were asked for in each request."""
    found = []
    for request in server.requests:
        by = "tool" if "tools" in request.body else "words"
        found.append("schema" if "response_format" in request.body else by)
    return found


async def asked(models: Models, choice: Any, schema: Any = SCHEMA) -> Any:
    return (await models.complete(choice, ASKED, schema=schema)).data


async def test_first_question_is_by_tool_and_its_repair_by_schema() -> None:
    async with served("no idea", A) as (server, models, choice):
        assert await asked(models, choice) == {"to": "a"}
        assert ways(server) == ["tool", "schema"]
        repair = server.requests[1].body
    form = repair["response_format"]["json_schema"]
    assert (repair["response_format"]["type"], form["name"]) == ("json_schema", "route")
    assert form["schema"] == SCHEMA
    said = repair["messages"][0]["content"]
    assert said.startswith("Which way?")
    assert "could not be used: the answer holds no JSON object" in said
    assert '"enum":["a","b"]' in said


async def test_repair_that_is_refused_by_schema_is_asked_for_in_words() -> None:
    async with served("no idea", Status(400), '{"to": "b"}') as (server, models, choice):
        assert await asked(models, choice) == {"to": "b"}
        assert ways(server) == ["tool", "schema", "words"]
        second, third = (r.messages for r in server.requests[1:])
        assert second == third


async def test_server_that_refuses_tools_is_asked_in_words_and_repaired_by_schema() -> None:
    async with served(Status(400), "no idea", A) as (server, models, choice):
        assert await asked(models, choice) == {"to": "a"}
        assert ways(server) == ["tool", "words", "schema"]


async def test_declared_schema_comes_first_and_stays_for_the_repair() -> None:
    steps = (Ended('{"to": ', "length"), A)
    async with served(*steps, structured="schema") as (server, models, choice):
        assert await asked(models, choice) == {"to": "a"}
        assert ways(server) == ["schema", "schema"]


async def test_declared_schema_that_is_refused_is_never_tried_again() -> None:
    steps = (Status(400), "no idea", '{"to": "a"}')
    async with served(*steps, structured="schema") as (server, models, choice):
        assert await asked(models, choice) == {"to": "a"}
        assert ways(server) == ["schema", "words", "words"]


@pytest.mark.parametrize(
    ("steps", "asked_in_all"),
    [
        (["no"] * 9, ["tool", "schema"]),
        (["no", Status(400), *["no"] * 9], ["tool", "schema", "words"]),
    ],
)
async def test_data_are_repaired_once_in_whatever_way(
    steps: list[Any], asked_in_all: list[str]
) -> None:
    async with served(*steps) as (server, models, choice):
        with pytest.raises(ModelError) as caught:
            await asked(models, choice)
        assert (caught.value.kind, ways(server)) == ("malformed", asked_in_all)


async def test_body_that_is_no_answer_is_asked_for_again_as_before() -> None:
    async with served(Garbage(), A) as (server, models, choice):
        assert await asked(models, choice) == {"to": "a"}
        assert ways(server) == ["tool", "tool"]


async def test_bound_answer_is_checked_like_any_other() -> None:
    async with served("no", Give({"to": "c"})) as (server, models, choice):
        with pytest.raises(ModelError, match="does not fit its schema"):
            await asked(models, choice)
        assert ways(server) == ["tool", "schema"]


async def test_calls_of_tools_are_repaired_with_the_tools() -> None:
    async with served("", "Well.") as (server, models, choice):
        await models.complete(choice, ASKED, tools=[TOOL])
        assert ways(server) == ["tool", "tool"]


async def test_model_of_another_protocol_is_repaired_in_words() -> None:
    spec = ModelSpec(name="p", provider="program", structured="schema")
    model = ScriptedModel("no idea", '{"to": "b"}')
    models = Models.of((spec, model))
    assert await asked(models, models.choose(ModelNeed(need="chat"))) == {"to": "b"}
    assert [len(p.tools) for p in model.prompts] == [1, 0]


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (STRICT, True),
        (SCHEMA, False),
        ({**STRICT, "required": []}, False),
        ({**STRICT, "properties": {"to": SCHEMA}}, False),
        ({**STRICT, "properties": {"to": {"type": "array", "items": STRICT}}}, True),
        ({**STRICT, "properties": {"to": {"anyOf": [STRICT, {"type": "null"}]}}}, True),
        ({**STRICT, "properties": {"to": {"anyOf": [SCHEMA, {"type": "null"}]}}}, False),
    ],
)
def test_schema_binds_strictly_only_in_the_form_that_openai_takes(
    schema: Any, strict: bool
) -> None:
    form = Question(messages=ASKED, schema=schema).response_format()
    assert form["json_schema"]["strict"] is strict
