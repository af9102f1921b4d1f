"""Server-sent events: well formed, closed with their client, and a place given back each time."""

import asyncio
import json
from contextlib import contextmanager

import pytest

from concertmaster.serving import sse
from concertmaster.serving.sse import event_stream, event_text


class Place:
    """Counts how often a stream's place is taken and given back."""

    def __init__(self) -> None:
        self.taken = 0

    @contextmanager
    def take(self):
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


def opened(parts, ended=None):
    place = Place()
    counted = place.take()
    counted.__enter__()
    return event_stream(parts, ended or asyncio.Event(), counted), place


async def called(response, *, gone: asyncio.Event | None = None, spec: str = "2.3"):
    """Call a response as a server does; `gone` tells when the client goes away."""
    sent = []

    async def receive():
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message) -> None:
        sent.append(message.get("body", b""))
        await asyncio.sleep(0)

    scope = {"type": "http", "asgi": {"spec_version": spec}, "method": "GET"}
    await asyncio.wait_for(response(scope, receive, send), 10)
    return b"".join(sent).decode()


@pytest.mark.parametrize("text", ["a\nb", "a\r\nevent: forged", "", "\u2028x", "id: 9\n\nx"])
def test_text_cannot_forge_an_event(text):
    sent = event_text(text, name="said", id="7")
    lines = sent.removesuffix("\n\n").split("\n")
    assert lines[:2] == ["id: 7", "event: said"]
    assert all(line.startswith("data: ") for line in lines[2:])
    assert "\r" not in sent


def test_data_come_back_as_they_were():
    sent = event_text({"text": "a\n\nb \u2028 ä"}).split("\n")
    assert sent[1:] == ["", ""]
    assert json.loads(sent[0].removeprefix("data: ")) == {"text": "a\n\nb \u2028 ä"}


async def test_a_stream_is_sent_and_its_place_given_back():
    async def parts():
        for n in range(3):
            yield event_text({"n": n})

    response, place = opened(parts())
    assert response.headers["cache-control"] == "no-store"
    assert (await called(response)).count("data: ") == 3
    assert place.taken == 0


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
async def test_a_failing_stream_gives_its_place_back(spec):
    async def parts():
        yield event_text({})
        raise RuntimeError("boom")

    response, place = opened(parts())
    with pytest.raises((RuntimeError, ExceptionGroup)):
        await called(response, spec=spec)
    assert place.taken == 0


async def test_a_client_that_was_gone_before_the_first_event_leaves_nothing_behind():
    closed = False

    async def parts():
        nonlocal closed
        try:
            yield event_text({})
            await asyncio.Event().wait()
        finally:
            closed = True

    gone = asyncio.Event()
    gone.set()
    stream = parts()
    response, place = opened(stream)
    await called(response, gone=gone)
    assert place.taken == 0
    # Either it never began, or it was closed; it is over in any case.
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert closed or stream.ag_frame is None


async def test_a_client_that_goes_away_closes_what_it_listened_to():
    closed = asyncio.Event()

    async def parts():
        try:
            yield event_text({})
            await asyncio.Event().wait()
        finally:
            closed.set()

    gone = asyncio.Event()
    response, place = opened(parts())
    asyncio.get_running_loop().call_later(0.05, gone.set)
    await called(response, gone=gone)
    assert closed.is_set()
    assert place.taken == 0


async def test_streams_end_with_the_server():
    async def parts():
        yield event_text({"n": 1})
        await asyncio.Event().wait()

    ended = asyncio.Event()
    response, place = opened(parts(), ended)
    asyncio.get_running_loop().call_later(0.05, ended.set)
    assert await called(response) == event_text({"n": 1})
    assert place.taken == 0


async def test_a_quiet_stream_shows_that_it_lives(monkeypatch):
    monkeypatch.setattr(sse, "_ALIVE", 0.02)
    going = asyncio.Event()

    async def parts():
        await going.wait()
        yield event_text({"n": 1})

    response, _ = opened(parts())
    asyncio.get_running_loop().call_later(0.1, going.set)
    sent = await called(response)
    assert sent.startswith(": alive\n\n")
    # What was waited for meanwhile is not lost.
    assert sent.endswith(event_text({"n": 1}))
