"""One question to a model that fails in every way: how often it is asked, and what comes of it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from concertmaster.contracts.model import PriceSpec, RateSpec
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models import Choice, Models, ModelSpec
from concertmaster.models import completion as completion_module
from concertmaster.testing import (
    FAULTS,
    Call,
    Drop,
    Ended,
    Garbage,
    Hang,
    OpenAIServer,
    Say,
    ScriptedModel,
    Status,
    fault,
    openai_server,
)

from .conftest import SCHEMA, TOOL  # noqa: TID252

ASKED = [{"role": "user", "content": "Hi"}]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses that would be made, and make none."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(completion_module.asyncio, "sleep", sleep)
    return made


@asynccontextmanager
async def served(*steps: Any, otherwise: Any = None, **declared: Any) -> AsyncIterator[Any]:
    async with openai_server(*steps, otherwise=otherwise) as server:
        spec = ModelSpec(name="m", provider="url", base_url=server.url, model="m", **declared)
        models = Models.of(spec)
        try:
            yield server, models, models.choose(ModelNeed(need="chat"))
        finally:
            await models.aclose()


async def failed(server: OpenAIServer, models: Models, choice: Choice, **given: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await models.complete(choice, ASKED, **given)
    return caught.value


def standing(models: Models) -> tuple[int, int]:
    breaker = models.standings.of("m").breaker
    return breaker.failures, breaker.unusable


@pytest.mark.parametrize(
    ("step", "kind", "asked"),
    [
        (Status(400), "refused", 1),
        (Status(422), "refused", 1),
        (Status(401), "denied", 1),
        (Status(404), "missing", 1),
        (fault("overflow"), "too_long", 1),
        (Status(429), "overloaded", 4),
        (Status(409), "overloaded", 4),
        (Status(500), "broken", 4),
        (Drop(), "unreachable", 4),
        (fault("cut"), "unreachable", 4),
        (Garbage(), "malformed", 2),
        (fault("endless"), "too_large", 1),
        (Ended("Half an ans", "length"), "malformed", 2),
        (Ended("Half an ans", "content_filter"), "declined", 1),
        (Say(""), "malformed", 2),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_only_what_can_succeed_is_asked_again(step: Any, kind: str, asked: int) -> None:
    async with served(otherwise=step, attempts=4) as (server, models, choice):
        error = await failed(server, models, choice)
        assert (error.kind, len(server.requests)) == (kind, asked)
        counted = {"refused": (0, 0), "too_long": (0, 0), "declined": (0, 0), "malformed": (0, 1)}
        counted["too_large"] = (0, 1)
        assert standing(models) == counted.get(kind, (1, 0))


WHOLE = {"wrong_tool", "doubled_ids", "wrong_shape", "wrong_language", "invented"}
"""Whole answers as far as a protocol goes; whoever asked has to look at what they say."""


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - WHOLE - {"hang", "slow"}))
async def test_no_fault_gets_through_as_half_an_answer(kind: Any) -> None:
    async with served(otherwise=fault(kind), attempts=1) as (server, models, choice):
        assert (await failed(server, models, choice, tools=[TOOL])).kind is not None


@pytest.mark.parametrize("kind", sorted(WHOLE))
async def test_calls_of_one_answer_have_different_ids(kind: Any) -> None:
    async with served(otherwise=fault(kind), attempts=1) as (_, models, choice):
        reply = await models.complete(choice, ASKED, tools=[TOOL])
        assert len({call.id for call in reply.tool_calls}) == len(reply.tool_calls)
        assert reply.text or reply.tool_calls


async def test_one_attempt_is_one_request() -> None:
    async with served(otherwise=Status(503), attempts=1) as (server, models, choice):
        await failed(server, models, choice)
        assert len(server.requests) == 1


async def test_retry_after_is_waited_for_with_jitter_behind_it(pauses: list[float]) -> None:
    async with served(Status(429, retry_after=2), "Hello.") as (_, models, choice):
        assert (await models.complete(choice, ASKED)).text == "Hello."
    assert len(pauses) == 1
    assert 2 <= pauses[0] <= 2.5


@pytest.mark.parametrize(("after", "seconds"), [(120, 60), (3, 2)])
async def test_retry_after_beyond_what_is_left_has_the_breaker_rest_instead(
    pauses: list[float], after: float, seconds: float
) -> None:
    step = Status(429, retry_after=after)
    async with served(step, otherwise="Hello.") as (server, models, choice):
        error = await failed(server, models, choice, timeout=seconds)
        assert (error.kind, error.rest, pauses) == ("overloaded", after, [])
        assert after - 5 < (models.standings.resting("m") or 0) <= after
        again = await failed(server, models, choice)
        assert (again.kind, len(server.requests)) == ("resting", 1)


async def test_attempt_that_takes_too_long_makes_room_for_the_next() -> None:
    async with served(Hang(), "Hello.", timeout=0.4) as (server, models, choice):
        assert (await models.complete(choice, ASKED)).text == "Hello."
        assert len(server.requests) == 2


async def test_model_that_had_its_time_is_blamed_and_one_that_had_little_is_not() -> None:
    async with served(otherwise=Hang(), timeout=0.3, attempts=1) as (server, models, choice):
        assert (await failed(server, models, choice)).kind == "timeout"
        assert standing(models) == (1, 0)
        assert (await failed(server, models, choice, timeout=0.1)).kind == "late"
        assert standing(models) == (1, 0)


async def test_model_that_answers_nothing_usable_is_left_alone_in_the_end() -> None:
    async with served(otherwise=Say("")) as (server, models, choice):
        for _ in range(models.standings.rules.unusable):
            assert (await failed(server, models, choice)).kind == "malformed"
        assert (await failed(server, models, choice)).kind == "resting"


async def test_requests_that_are_refused_never_open_the_breaker() -> None:
    async with served(otherwise=Status(400)) as (server, models, choice):
        kinds = [(await failed(server, models, choice)).kind for _ in range(12)]
        assert set(kinds) == {"refused"}


async def test_model_is_told_what_was_wrong_and_not_what_it_wrote() -> None:
    async with served('{"to": "SECRET-TARGET"}', '{"to": "b"}') as (server, models, choice):
        reply = await models.complete(choice, ASKED, schema=SCHEMA)
        assert reply.data == {"to": "b"}
        said = server.requests[1].messages
    assert len(said) == 1
    assert "does not fit its schema" in said[0]["content"]
    assert '"enum":["a","b"]' in said[0]["content"]
    assert "SECRET-TARGET" not in said[0]["content"]


async def test_repair_comes_besides_the_attempts_and_once() -> None:
    steps = [Status(503), "no idea", '{"to": "a"}']
    async with served(*steps) as (server, models, choice):
        assert (await models.complete(choice, ASKED, schema=SCHEMA)).data == {"to": "a"}
    async with served(otherwise="no idea", attempts=9) as (server, models, choice):
        assert (await failed(server, models, choice, schema=SCHEMA)).kind == "malformed"
        assert len(server.requests) == 2


async def test_tool_results_at_the_end_are_followed_by_a_message_of_its_own() -> None:
    asked = [*ASKED, {"role": "assistant", "content": "Well."}]
    model = ScriptedModel(Call("look", "{"), Call("look", {}))
    models = Models.of(model)
    await models.complete(models.choose(ModelNeed(need="chat")), asked, tools=[TOOL])
    assert [m.type for m in model.prompts[1].messages] == ["human", "ai", "human"]


async def test_failure_carries_what_its_answers_cost() -> None:
    price = PriceSpec(input=1_000_000, output=1_000_000)
    async with served(otherwise="no", price=price) as (server, models, choice):
        spent = (await failed(server, models, choice, schema=SCHEMA)).spent
    assert spent is not None
    assert spent.model_calls == 2
    assert spent.cost == spent.input_tokens + spent.output_tokens > 0


async def test_what_an_attempt_without_an_answer_cost_is_not_known() -> None:
    async with served(otherwise=Hang(), timeout=0.2, attempts=1) as (server, models, choice):
        assert (await failed(server, models, choice)).spent is None
    async with served(otherwise=Status(400)) as (server, models, choice):
        spent = (await failed(server, models, choice)).spent
        assert spent is not None
        assert spent.input_tokens == 0


async def test_rate_that_is_reached_is_an_error_or_waited_for() -> None:
    rate = RateSpec(requests_per_minute=1)
    async with served(otherwise="Hello.", rate=rate) as (server, models, choice):
        await models.complete(choice, ASKED)
        error = await failed(server, models, choice, wait=False)
        assert (error.kind, isinstance(error, ModelUnavailable)) == ("limited", False)
        assert 50 < (error.rest or 0) <= 60
        assert (await failed(server, models, choice, timeout=5)).kind == "limited"
        assert len(server.requests) == 1


async def test_stream_that_breaks_off_is_no_answer() -> None:
    from langchain_openai import ChatOpenAI

    with openai_server(Drop(), "One two three.", otherwise=Drop()) as server:
        chat = ChatOpenAI(model="m", base_url=server.url, api_key="x", streaming=True)  # type: ignore[arg-type]
        models = Models.of(chat)
        choice = models.choose(ModelNeed(need="chat"))
        assert (await models.complete(choice, ASKED)).text == "One two three."
        error = await failed(server, models, choice)
        assert (error.kind, "broke off before its end" in error.message) == ("malformed", True)


async def test_server_that_does_not_say_what_it_serves_holds_up_no_other() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        openai_server(otherwise="Hello.") as server,
    ):
        mute = ModelSpec(
            name="mute", provider="url", base_url=f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        )
        well = ModelSpec(name="well", provider="url", base_url=server.url)
        models = Models.of([mute, well])
        first, second = models.choose(ModelNeed(need="chat")).each()
        hanging = asyncio.create_task(models.complete(first, ASKED, timeout=60))
        while not models._loops:
            await asyncio.wait({hanging}, timeout=0.01)
        assert (await models.complete(second, ASKED, timeout=50)).text == "Hello."
        assert not hanging.done()
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        assert models.standings.of("mute").breaker.closed
        await models.aclose()
