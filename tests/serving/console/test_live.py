"""Streams tell that something changed, to whom it concerns and only as long as it does."""

import asyncio
import json

import httpx
import pytest

from concertmaster.contracts import Approve, Principal


@pytest.fixture
async def listening(app, keys, serve):
    """Return what opens a stream as somebody: `async with listening("li", path) as lines`."""
    base = await serve(app)

    def make(who: str, path: str):
        return _Stream(base, keys[who], path)

    return make


class _Stream:
    """A stream of events, read as (name, id, data)."""

    def __init__(self, base: str, key: str, path: str) -> None:
        self._client = httpx.AsyncClient(base_url=base, timeout=30)
        self._base, self._key, self._path = base, key, path

    async def __aenter__(self):
        headers = {"origin": self._base, "sec-fetch-site": "same-origin"}
        form = {"key": self._key}
        await self._client.post("/console/sign-in", data=form, headers=headers)
        accept = {"accept": "text/event-stream"}
        self._opened = self._client.stream("GET", self._path, headers=accept)
        self.response = await self._opened.__aenter__()
        self._lines = self.response.aiter_lines()
        return self

    async def __aexit__(self, *error):
        await self._opened.__aexit__(*error)
        await self._client.aclose()

    async def event(self) -> tuple[str, str, dict] | None:
        """Return the next event, None at the end."""
        found: dict[str, str] = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                if not line and found:
                    return found["event"], found.get("id", ""), json.loads(found["data"])
                name, _, value = line.partition(": ")
                if name:
                    found[name] = value
        return None


async def test_queue_is_told_when_it_changes(listening, asked, desk):
    async with listening("li", "/console/live") as li:
        assert (await li.event())[2] == {"pending": 0}
        run = await asked("please make the payout for order 7")
        assert (await li.event())[2] == {"pending": 1}
        mats = Principal(id="mats", roles=("finance",))
        await desk.background.answer(run.pending[0].id, Approve(), principal=mats)
        assert (await li.event())[2] == {"pending": 0}


async def test_other_peoples_queues_are_not_told(listening, asked):
    async with listening("sam", "/console/live") as sam, listening("li", "/console/live") as li:
        assert (await sam.event())[2] == (await li.event())[2] == {"pending": 0}
        await asked("please make the payout for order 7")
        assert (await li.event())[2] == {"pending": 1}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await sam.event()


async def test_streams_of_somebody_disabled_end(listening, asked, app):
    async with listening("li", "/console/live") as li:
        await li.event()
        await app.state.identity.store.disable("li", by="root")
        await asked("please make the payout for order 7")
        assert await li.event() is None


async def test_a_run_is_followed_to_its_end(listening, asked, desk):
    run = await asked("please make the payout for order 7")
    path = f"/console/threads/payouts/{run.id}/live"
    async with listening("li", path) as li:
        first = await li.event()
        assert first[0] == "run"
        mats = Principal(id="mats", roles=("finance",))
        await desk.background.answer(run.pending[0].id, Approve(), principal=mats)
        names = []
        while (told := await li.event()) is not None:
            names.append(told[0])
        assert names[-1] == "ended"
        assert set(names[:-1]) == {"run"}


async def test_streams_are_for_those_who_are_signed_in(app, browser):
    stranger = await browser()
    response = await stranger.get("/console/live", headers={"accept": "text/event-stream"})
    assert response.status_code == 401
    fragment = await stranger.get("/console", headers={"hx-request": "true"})
    assert fragment.status_code == 401
    assert fragment.headers["hx-redirect"] == "/console/sign-in"
