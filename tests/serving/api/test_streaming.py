"""Streams over real connections: nothing is told twice, nothing is left out, whoever goes away."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

import concertmaster as cm
from concertmaster.contracts import Approve
from concertmaster.serving.api.streams import streamed
from concertmaster.serving.app import create_app
from concertmaster.serving.host import Host
from concertmaster.serving.settings import Limits, Settings

RUNS = "/api/v1/workflows/refunds/runs"
WAITING = "refund order 1042"


@asynccontextmanager
async def connected(url: str, who: str = "ana"):
    headers = {"Authorization": f"Bearer {who}-token"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        yield client


async def told(client, path: str, *, after: str | None = None, most: int = 1000, **query):
    """Return the events of a stream as (id, data): all, or the first ones, then hang up."""
    headers = {"Last-Event-ID": after} if after else {}
    found = []
    async with client.stream("GET", path, headers=headers, params=query) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        event = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                event[name] = value
            elif "data" in event:
                data = json.loads(event["data"])
                assert data["kind"] == event["event"]
                found.append((event["id"], data))
                event = {}
            if len(found) >= most:
                break
    return found


async def told_piecemeal(client, path: str, **query):
    """Return the events as a client gets them that hangs up after each, and comes again."""
    found = []
    while True:
        after = found[-1][0] if found else None
        more = await told(client, path, after=after, most=1, **query)
        if not more:
            return found
        found += more
        if more[0][1]["kind"] == "run_ended" and query.get("until") == "end":
            return found


async def started(client, text: str = WAITING, **more) -> str:
    answer = await client.post(f"{RUNS}?wait=20", json={"text": text, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


async def decided(client, run: str) -> None:
    pending = (await client.get("/api/v1/approvals")).json()["data"]
    (approval,) = [each["id"] for each in pending if each["run_id"] == run]
    answer = await client.post(f"/api/v1/approvals/{approval}/decision", json={"kind": "approve"})
    assert answer.status_code == 200, answer.text


async def test_a_client_that_hangs_up_after_each_event_misses_nothing(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana:
        path = f"{RUNS}/{await started(ana, 'refund 20 EUR of order 7')}/events"
        whole = await told(ana, path)
        assert await told_piecemeal(ana, path) == whole
    ids = [id for id, _ in whole]
    assert len(set(ids)) == len(ids) > 8
    assert whole[-1][1]["outcome"]["text"] == "Refunded 20.00 EUR for order 7."


async def test_nothing_is_missed_while_somebody_decides(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana, connected(url, "li") as li:
        run = await started(ana)
        path = f"{RUNS}/{run}/events"
        staying = asyncio.create_task(told(ana, path, until="end"))
        coming = asyncio.create_task(told_piecemeal(ana, path, until="end"))
        await asyncio.sleep(0.3)
        assert not staying.done()
        await decided(li, run)
        whole = await staying
        assert await coming == whole
        assert await told(ana, path, until="end") == whole
    kinds = [data["kind"] for _, data in whole]
    assert kinds.count("approval_requested") == kinds.count("run_ended") == 1
    asked = kinds.index("approval_requested")
    assert whole[asked][1]["approval"]["status"] == "pending"
    assert whole[-1][1]["outcome"]["status"] == "answered"


async def test_event_ids_hold_across_a_restart_and_a_decision(
    refunds_folder, refunds_home, auth, serve
):
    async with cm.open(refunds_folder, home=refunds_home) as desk:
        url = await serve(create_app(desk, auth=auth))
        async with connected(url) as ana:
            path = f"{RUNS}/{await started(ana)}/events"
            # What arrived until the server went: all but the end of it.
            had = (await told(ana, path))[:-2]
        await serve.stop(url)
    async with cm.open(refunds_folder, home=refunds_home) as desk:
        url = await serve(create_app(desk, auth=auth))
        async with connected(url) as ana, connected(url, "li") as li:
            await decided(li, path.split("/")[-2])
            after = await told(ana, path, after=had[-1][0], until="end")
            whole = await told(ana, path, until="end")
        await serve.stop(url)
    assert had + after == whole
    assert whole[-1][1]["outcome"]["status"] == "answered"


async def test_streams_end_when_the_server_stops_and_go_on_after_it(
    refunds_folder, refunds_home, auth, serve, let_go
):
    async with cm.open(refunds_folder, home=refunds_home) as desk:
        url = await serve(create_app(desk, auth=auth, settings=Settings(drain=0)))
        async with connected(url) as ana:
            answer = await ana.post(RUNS, json={"text": "refund 20 EUR of order 77"})
            run = answer.json()["id"]
            listening = asyncio.create_task(told(ana, f"{RUNS}/{run}/events"))
            await asyncio.sleep(0.3)
            await serve.stop(url)
            had = await listening
            assert had
            assert had[-1][1]["kind"] != "run_ended"
        let_go()
    async with cm.open(refunds_folder, home=refunds_home) as desk:
        url = await serve(create_app(desk, auth=auth))
        async with connected(url) as ana:
            rest = await told(ana, f"{RUNS}/{run}/events", after=had[-1][0])
            assert rest[-1][1]["outcome"]["text"] == "Refunded 20.00 EUR for order 77."
            assert had + rest == await told(ana, f"{RUNS}/{run}/events")


async def test_a_message_can_be_answered_with_its_stream(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with (
        connected(url) as ana,
        ana.stream(
            "POST",
            RUNS,
            json={"text": "refund 20 EUR of order 7", "thread_id": "t-1"},
            headers={"Accept": "text/event-stream"},
        ) as answer,
    ):
        assert answer.status_code == 200
        where = answer.headers["location"]
        kinds = [line async for line in answer.aiter_lines() if line.startswith("event: ")]
        assert (kinds[0], kinds[-1]) == ("event: run_started", "event: run_ended")
        run = (await ana.get(where)).json()
    assert (run["status"], run["thread_id"]) == ("answered", "t-1")


async def test_a_run_goes_on_when_its_listener_hangs_up(refunds, auth, serve, let_go):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana:
        async with ana.stream(
            "POST",
            RUNS,
            json={"text": "refund 20 EUR of order 77"},
            headers={"Accept": "text/event-stream"},
        ) as answer:
            where = answer.headers["location"]
        let_go()
        run = (await ana.get(f"{where}/wait", params={"seconds": 20})).json()
    assert run["outcome"]["text"] == "Refunded 20.00 EUR for order 77."


async def test_erasing_a_run_ends_its_streams(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana:
        run = await started(ana)
        path = f"{RUNS}/{run}/events"
        listening = asyncio.create_task(told(ana, path, until="end"))
        await asyncio.sleep(0.2)
        thread = (await refunds.get(run)).thread
        await refunds.forget(thread, by="ana", why="asked for it", force=True)
        assert (await listening)[-1][1]["outcome"]["status"] == "cancelled"
        assert (await ana.get(path)).status_code == 404


async def test_a_stream_that_cannot_go_on_says_so(refunds, people):
    ana = people["ana-token"]
    run = (await refunds.run(WAITING, principal="ana")).id
    response = streamed(Host([refunds]), refunds, ana, await refunds.runs.get(run), until="end")
    parts = response.body_iterator
    first = await anext(parts)
    assert "run_started" in first
    thread = (await refunds.get(run)).thread
    await refunds.forget(thread, by="ana", why="asked for it", force=True)
    left = [part async for part in parts]
    assert left[-1].startswith("event: problem\ndata: ")
    assert "id:" not in left[-1]


@pytest.mark.parametrize("id", ["x", "1.2.3", "-1", "1e3", "0x1", "9" * 40, "１", "1;DROP"])
async def test_nonsense_is_no_event_id(id, refunds, auth, client_of):
    app = create_app(refunds, auth=auth)
    async with client_of(app, "ana") as ana:
        run = (await ana.post(f"{RUNS}?wait=20", json={"text": WAITING})).json()["id"]
        answer = await ana.get(f"{RUNS}/{run}/events", params={"after": id})
        assert (answer.status_code, answer.json()["code"]) == (400, "CM600")
        if id.isascii():
            answer = await ana.get(f"{RUNS}/{run}/events", headers={"Last-Event-ID": id})
            assert answer.status_code == 400


async def test_an_id_from_elsewhere_tells_nothing_twice(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana:
        run = await started(ana, "refund 20 EUR of order 7")
        assert await told(ana, f"{RUNS}/{run}/events", after="999999") == []


async def test_streams_of_one_principal_are_bounded(refunds, auth, serve):
    limits = Settings(limits=Limits(streams_each=2))
    url = await serve(create_app(refunds, auth=auth, settings=limits))
    async with connected(url) as ana, connected(url, "li") as li:
        run = await started(ana)
        path = f"{RUNS}/{run}/events?until=end"
        async with ana.stream("GET", path), ana.stream("GET", path):
            refused = await ana.get(path)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            # A message that is to be listened to is refused before anything becomes of it.
            before = len(await refunds.threads())
            again = await ana.post(
                RUNS, json={"text": WAITING}, headers={"Accept": "text/event-stream"}
            )
            assert again.status_code == 429
            assert len(await refunds.threads()) == before
            async with li.stream("GET", path) as other:
                assert other.status_code == 200
        async with asyncio.timeout(20):
            while True:  # The places come back once the server has seen that they are left.
                async with ana.stream("GET", path) as answer:
                    if answer.status_code == 200:
                        break
                await asyncio.sleep(0.02)


async def test_a_slow_reader_holds_nobody_up(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana, connected(url, "li") as li:
        run = await started(ana)
        path = f"{RUNS}/{run}/events"
        async with ana.stream("GET", path, params={"until": "end"}) as slow:
            await decided(li, run)  # Nothing of the stream has been read yet.
            done = (await ana.get(f"{RUNS}/{run}/wait")).json()
            assert done["status"] == "answered"
            lines = [line async for line in slow.aiter_lines() if line.startswith("event: ")]
        assert lines[-1] == "event: run_ended"


async def test_many_listeners_are_told_the_same(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana, connected(url, "li") as li:
        run = await started(ana)
        path = f"{RUNS}/{run}/events"
        listeners = [asyncio.create_task(told(ana, path, until="end")) for _ in range(20)]
        await asyncio.sleep(0.2)
        await decided(li, run)
        first, *others = await asyncio.gather(*listeners)
        assert all(other == first for other in others)
    assert first[-1][1]["outcome"]["status"] == "answered"


async def test_a_decision_in_the_program_reaches_who_listens(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana:
        run = await started(ana)
        listening = asyncio.create_task(told(ana, f"{RUNS}/{run}/events", until="end"))
        await asyncio.sleep(0.1)
        (approval,) = (await refunds.get(run)).pending
        await refunds.decide(approval.id, Approve(), principal="li")
        assert (await listening)[-1][1]["outcome"]["status"] == "answered"


async def test_a_stream_tells_only_those_it_concerns(refunds, auth, serve):
    url = await serve(create_app(refunds, auth=auth))
    async with connected(url) as ana, connected(url, "li") as li:
        run = await started(ana)
        path = f"{RUNS}/{run}/events"
        for who in ("ben", "sam", "other-ana", "other-li"):
            async with connected(url, who) as other:
                assert (await other.get(path)).status_code == 404, who
        asked = [d["approval"] for _, d in await told(ana, path) if "approval" in d]
        looked = [d["approval"] for _, d in await told(li, path) if "approval" in d]
    assert [a["reviewing"] for a in (*asked, *looked)] == [False, True]
    assert asked[0]["provenance"] is None
    assert looked[0]["provenance"]


async def test_who_stops_waiting_gives_the_place_back(refunds, auth, serve):
    limits = Settings(limits=Limits(streams_each=2))
    url = await serve(create_app(refunds, auth=auth, settings=limits))
    async with connected(url) as ana:
        run = await started(ana)
        path = f"{RUNS}/{run}/wait?until=end&seconds=300"
        for _ in range(2):
            with pytest.raises(httpx.ReadTimeout):
                await ana.get(path, timeout=0.3)
        async with asyncio.timeout(20):
            while (await ana.get(f"{RUNS}/{run}/wait")).status_code == 429:
                await asyncio.sleep(0.02)
