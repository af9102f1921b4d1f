"""Servers that send more than anybody wants: it is cut off while it is read, not afterwards."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts.model import REPLY_BYTES
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ModelError
from concertmaster.models import Models, ModelSpec
from concertmaster.models.bounded import PARTS, Meter, TooLarge, Unreadable
from concertmaster.testing import FAULTS, Flood, Garbage, Say, fault, openai_server

ASKED = [{"role": "user", "content": "Hi"}]
MB = 2**20
SOCKETS = 12 * MB
"""What the sockets of both sides may hold although nobody reads it."""


@asynccontextmanager
async def served(*steps: Any, model: str | None = "m", **more: Any) -> AsyncIterator[Any]:
    given = {name: more.pop(name) for name in ("otherwise", "models") if name in more}
    async with openai_server(*steps, **given) as server:
        spec = ModelSpec(name="m", provider="url", base_url=server.url, model=model, **more)
        models = Models.of(spec)
        try:
            yield server, models, models.choose(ModelNeed(need="chat"))
        finally:
            await models.aclose()


async def failed(models: Models, choice: Any, **given: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        await models.complete(choice, ASKED, **given)
    return caught.value


@contextmanager
def peak(found: list[int]) -> Iterator[None]:
    """Note the most memory that Python held at once, the server's included."""
    tracemalloc.start()
    try:
        yield
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("flood", "kind", "told"),
    [
        (Flood("plain", 10_000_000), "too_large", "announced more than 4194304 bytes"),
        (Flood("plain", 10**18), "too_large", "announced more than 4194304 bytes"),
        (Flood("chunked"), "too_large", "sent more than 4194304 bytes, and was cut off"),
        (Flood("until_closed"), "too_large", "sent more than 4194304 bytes, and was cut off"),
        (Flood("gzip"), "too_large", "sent more than 4194304 bytes, and was cut off"),
        (Flood("headers"), "unreachable", "broke the connection off"),
        (Flood("short"), "malformed", "answered no JSON"),
    ],
    ids=lambda value: getattr(value, "way", None),
)
async def test_flood_is_cut_off_while_it_is_read(flood: Flood, kind: str, told: str) -> None:
    found: list[int] = []
    async with served("Hello.", otherwise=flood, attempts=1) as (server, models, choice):
        await models.complete(choice, ASKED)
        with peak(found):
            error = await failed(models, choice)
        assert (error.kind, told in error.message) == (kind, True)
        assert server.poured < REPLY_BYTES + SOCKETS
    assert found[0] < 3 * REPLY_BYTES


async def test_flood_is_not_asked_for_again_and_counts_as_of_no_use() -> None:
    async with served(otherwise=Flood("chunked"), attempts=5) as (server, models, choice):
        for number in range(1, models.standings.rules.unusable + 1):
            assert (await failed(models, choice)).kind == "too_large"
            assert len(server.requests) == number
        assert (await failed(models, choice)).kind == "resting"


async def test_what_a_flood_cost_is_not_known() -> None:
    async with served(otherwise=Flood("chunked")) as (_, models, choice):
        assert (await failed(models, choice)).spent is None


async def test_list_of_models_of_ten_megabytes_is_not_read() -> None:
    found: list[int] = []
    async with served(otherwise="Hello.", models=Flood("chunked"), model=None) as opened:
        server, models, choice = opened
        with peak(found):
            error = await failed(models, choice)
        assert error.kind == "too_large"
        assert "does not say which models it serves: it sent more than" in error.message
        assert "URL#MODEL" in (error.hint or "")
        assert server.poured < REPLY_BYTES + SOCKETS
    assert found[0] < 8 * REPLY_BYTES  # with the libraries, which are loaded for the first question


async def test_short_list_of_long_names_names_no_model() -> None:
    async with served(models=("x" * 1_000_000,), model=None) as (_, models, choice):
        assert "serves no model" in (await failed(models, choice)).message


async def test_error_with_an_endless_explanation_is_still_that_error() -> None:
    for status, kind in ((503, "overloaded"), (401, "denied"), (400, "refused")):
        flood = Flood("chunked", status=status)
        async with served(otherwise=flood, attempts=1) as (server, models, choice):
            assert (await failed(models, choice)).kind == kind
            assert server.poured < SOCKETS


@pytest.mark.parametrize(
    "body",
    [
        '{"choices": [' + "{}," * 200_000 + "{}]}",
        '{"choices": [], "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"choices": [' + "1," * 400_000 + "1]}",
    ],
    ids=["objects", "depth", "numbers"],
)
async def test_bomb_of_small_parts_is_not_unpacked_into_records(body: str) -> None:
    assert len(body) < REPLY_BYTES
    async with served(otherwise=Garbage(body)) as (server, models, choice):
        error = await failed(models, choice)
        assert error.kind == "too_large"
        assert f"JSON of more than {PARTS} parts" in error.message
        assert len(server.requests) == 1


async def test_bound_is_as_declared() -> None:
    async with served(Say("x" * 5000), Say("x" * 5000), reply_bytes=4096) as (_, models, choice):
        assert "announced more than 4096 bytes" in (await failed(models, choice)).message
    async with served(Say("x" * 5000)) as (_, models, choice):
        assert len((await models.complete(choice, ASKED)).text) == 5000


async def test_longest_answer_that_may_be_used_is_far_below_the_bound() -> None:
    text = "\N{GRINNING FACE}" * 200_000  # 12 bytes each, as JSON writes it
    async with served(Say(text)) as (_, models, choice):
        assert (await models.complete(choice, ASKED)).text == text


async def test_answer_in_pieces_is_bounded_too_when_it_is_streamed() -> None:
    async with served("One two three.", otherwise=Flood("chunked")) as (server, models, choice):
        opened = await models._opened(choice.model, 60)
        assert "".join([c.text async for c in opened.chat.astream("Hi")]) == "One two three."
        with pytest.raises(TooLarge):
            [c async for c in opened.chat.astream("Hi")]
        assert server.poured < REPLY_BYTES + SOCKETS


async def test_synchronous_client_is_bounded_too() -> None:
    async with served("Hello.", otherwise=Flood("gzip")) as (_, models, choice):
        chat = (await models._opened(choice.model, 60)).chat
        assert chat.invoke("Hi").text == "Hello."
        with pytest.raises(TooLarge):
            chat.invoke("Hi")


async def test_fault_of_ten_megabytes_is_one_of_those_of_storms() -> None:
    assert {"endless", "flood", "bomb"} <= set(FAULTS)
    async with served(fault("endless"), fault("flood"), fault("bomb")) as (_, models, choice):
        assert {(await failed(models, choice)).kind for _ in range(3)} == {"too_large"}


def test_only_gzip_is_asked_for_and_taken() -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    body = packed.compress(b"x" * 1000) + packed.flush()
    assert Meter(1000, packed=True).feed(body) == b"x" * 1000
    with pytest.raises(TooLarge):
        Meter(999, packed=True).feed(body)
    with pytest.raises(Unreadable, match="no gzip"):
        Meter(1000, packed=True).feed(b"plain text")


@given(st.binary(max_size=3000), st.integers(1, 4000), st.integers(1, 700), st.booleans())
def test_meter_gives_all_or_stops_at_the_bound(
    data: bytes, most: int, size: int, packed: bool
) -> None:
    sent = data
    if packed:
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        sent = packer.compress(data) + packer.flush()
    meter, found = Meter(most, packed=packed), b""
    try:
        for start in range(0, len(sent), size):
            found += meter.feed(sent[start : start + size])
    except TooLarge:
        assert len(data) > most
        assert len(found) <= most
    else:
        assert found == data
        assert len(data) <= most
