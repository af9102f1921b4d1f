"""Runs by HTTP: started once, whoever else is on the thread, and seen by whom they concern."""

import asyncio
import json
from urllib.parse import quote

import pytest
from fastapi import FastAPI

from concertmaster.contracts import FINAL
from concertmaster.serving.app import create_app
from concertmaster.serving.settings import Limits, Settings

FLOW = "/api/v1/workflows/refunds"
RUNS = f"{FLOW}/runs"
WAITING = "refund order 1042"
QUICK = "refund 20 EUR of order 7"
HELD = "refund 20 EUR of order 77"


@pytest.fixture
def app(refunds, auth):
    return create_app(refunds, auth=auth)


async def start(client, text: str = QUICK, *, wait: float = 20, key: str | None = None, **more):
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post(f"{RUNS}?wait={wait}", json={"text": text, **more}, headers=headers)


async def test_a_message_is_taken_and_answered_later(app, client_of):
    async with client_of(app, "ana") as ana:
        taken = await start(ana, wait=0)
        assert taken.status_code == 202
        run = taken.json()
        assert taken.headers["location"] == f"{RUNS}/{run['id']}"
        assert taken.headers["x-run-id"] == run["id"]
        done = await ana.get(f"{taken.headers['location']}/wait", params={"seconds": 20})
        assert done.status_code == 200
        assert done.json()["outcome"]["text"] == "Refunded 20.00 EUR for order 7."
        assert (await ana.get(f"{RUNS}/{run['id']}")).json() == done.json()


async def test_waiting_ends_with_the_run_as_it_stands(app, client_of, let_go):
    async with client_of(app, "ana") as ana:
        going = await start(ana, HELD, wait=0.1)
        assert (going.status_code, going.json()["status"]) == (202, "running")
        where = f"{going.headers['location']}/wait"
        again = await ana.get(where, params={"seconds": 0.1})
        assert (again.status_code, again.json()["status"]) == (202, "running")
        let_go()
        done = await ana.get(where, params={"seconds": 20})
        assert (done.status_code, done.json()["status"]) == (200, "answered")


async def test_a_server_waits_no_longer_than_its_settings_have_it(refunds, auth, client_of, let_go):
    settings = Settings(limits=Limits(waiting=0.05))
    async with client_of(create_app(refunds, auth=auth, settings=settings), "ana") as ana:
        async with asyncio.timeout(10):
            assert (await start(ana, HELD, wait=3600)).status_code == 202


async def test_waiting_to_the_end_goes_through_reviews(app, client_of):
    async with client_of(app, "ana") as ana, client_of(app, "li") as li:
        run = (await start(ana, WAITING)).json()
        assert run["status"] == "awaiting_review"
        ended = asyncio.create_task(
            ana.get(f"{RUNS}/{run['id']}/wait", params={"until": "end", "seconds": 20})
        )
        await asyncio.sleep(0.1)
        assert not ended.done()
        decision = f"/api/v1/approvals/{run['pending'][0]['id']}/decision"
        await li.post(decision, json={"kind": "reject", "reason": "no receipt"})
        found = (await ended).json()
    assert found["status"] in FINAL
    assert "no receipt" in found["outcome"]["text"]


async def test_a_decided_run_is_waited_for_although_it_has_not_moved_yet(app, client_of):
    async with client_of(app, "ana") as ana, client_of(app, "li") as li:
        run = (await start(ana, WAITING)).json()
        decision = f"/api/v1/approvals/{run['pending'][0]['id']}/decision"
        await li.post(decision, json={"kind": "approve"})
        # At once: the decision is stored, what follows from it is not yet.
        done = await ana.get(f"{RUNS}/{run['id']}/wait", params={"seconds": 20})
    assert done.json()["status"] == "answered"


async def test_one_key_brings_about_one_run_however_many_send_it(app, client_of, refunds):
    async with client_of(app, "ana") as ana:
        answers = await asyncio.gather(*(start(ana, key="k-1") for _ in range(12)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert len(await refunds.threads()) == 1
        other = await start(ana, "refund 30 EUR of order 7", key="k-1")
        assert (other.status_code, other.json()["code"]) == (422, "CM601")


async def test_keys_are_everybodys_own(app, client_of):
    runs = set()
    for who in ("ana", "ben", "other-ana"):
        async with client_of(app, who) as client:
            runs.add((await start(client, key="k-1")).json()["id"])
    assert len(runs) == 3


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_of_the_wrong_length_is_refused(key, app, client_of):
    async with client_of(app, "ana") as ana:
        answer = await ana.post(RUNS, json={"text": QUICK}, headers={"Idempotency-Key": key})
        assert answer.status_code == 422


async def test_parallel_messages_of_a_thread_queue_by_default(app, client_of):
    async with client_of(app, "ana") as ana:
        texts = [f"refund {n} EUR of order 7" for n in range(1, 7)]
        answers = await asyncio.gather(
            *(start(ana, text, thread_id="t-1", wait=0) for text in texts)
        )
        assert {answer.status_code for answer in answers} == {202}
        for answer in answers:
            where = f"{answer.headers['location']}/wait"
            assert (await ana.get(where, params={"seconds": 20})).json()["status"] == "answered"
        history = (await ana.get(f"{FLOW}/threads/t-1/runs")).json()["data"]
    assert sorted(run["text"] for run in history) == texts


async def test_parallel_messages_of_a_thread_are_refused_where_it_is_set_so(
    refunds, auth, client_of, let_go
):
    app = create_app(refunds, auth=auth, settings=Settings(conflict="reject"))
    async with client_of(app, "ana") as ana:
        answers = await asyncio.gather(
            *(start(ana, HELD, thread_id="t-1", wait=0) for _ in range(6))
        )
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [202, 409, 409, 409, 409, 409]
        assert {a.json()["code"] for a in answers if a.status_code == 409} == {"CM611"}
        elsewhere = await start(ana, QUICK, thread_id="t-2")
        assert elsewhere.status_code == 200
        let_go()
        (first,) = [a for a in answers if a.status_code == 202]
        await ana.get(f"{first.headers['location']}/wait", params={"seconds": 20})
        assert (await start(ana, QUICK, thread_id="t-1")).status_code == 200
        history = (await ana.get(f"{FLOW}/threads/t-1/runs")).json()["data"]
    assert [run["text"] for run in history] == [HELD, QUICK]


async def test_a_refused_message_can_be_sent_again_with_its_key(refunds, auth, client_of, let_go):
    app = create_app(refunds, auth=auth, settings=Settings(conflict="reject"))
    async with client_of(app, "ana") as ana:
        first = await start(ana, HELD, thread_id="t-1", wait=0)
        assert (await start(ana, QUICK, thread_id="t-1", key="k-1")).status_code == 409
        let_go()
        await ana.get(f"{first.headers['location']}/wait", params={"seconds": 20})
        assert (await start(ana, QUICK, thread_id="t-1", key="k-1")).status_code == 200


async def test_the_latest_of_parallel_messages_wins_where_it_is_set_so(
    refunds, auth, client_of, let_go
):
    app = create_app(refunds, auth=auth, settings=Settings(conflict="cancel"))
    async with client_of(app, "ana") as ana:
        waiting = (await start(ana, WAITING, thread_id="t-1")).json()
        await start(ana, HELD, thread_id="t-1", wait=0)
        last = (await start(ana, QUICK, thread_id="t-1")).json()
        assert last["status"] == "answered"
        history = (await ana.get(f"{FLOW}/threads/t-1/runs")).json()["data"]
        assert [run["status"] for run in history] == ["cancelled", "cancelled", "answered"]
        approval = await ana.get(f"/api/v1/approvals/{waiting['pending'][0]['id']}")
        assert approval.json()["status"] == "void"


async def test_messages_that_race_to_cancel_each_other_all_end(refunds, auth, client_of):
    app = create_app(refunds, auth=auth, settings=Settings(conflict="cancel"))
    async with client_of(app, "ana") as ana:
        answers = await asyncio.gather(*(start(ana, thread_id="t-1") for _ in range(8)))
        statuses = [answer.json()["status"] for answer in answers]
    assert set(statuses) <= {"answered", "cancelled"}
    assert "answered" in statuses


async def test_a_run_is_cancelled_by_its_owner_alone(app, client_of):
    async with client_of(app, "ana") as ana, client_of(app, "li") as li:
        run = (await start(ana, WAITING, thread_id="t-1")).json()
        cancel = f"{RUNS}/{run['id']}/cancel"
        assert (await li.post(cancel)).status_code == 404
        for who in ("ben", "other-ana"):
            async with client_of(app, who) as other:
                assert (await other.post(cancel)).status_code == 404
        done = await ana.post(cancel, json={"reason": "by mistake"})
        assert (done.status_code, done.json()["status"]) == (200, "cancelled")
        assert done.json()["outcome"]["cause"] == "by mistake"
        assert done.json()["pending"] == []
        assert (await ana.post(cancel)).json()["status"] == "cancelled"


async def test_cancelling_does_not_wait_for_what_was_queued_behind(app, client_of, let_go):
    async with client_of(app, "ana") as ana:
        run = (await start(ana, WAITING, thread_id="t-1")).json()
        queued = (await start(ana, HELD, thread_id="t-1")).json()
        assert queued["status"] == "queued"
        async with asyncio.timeout(5):
            done = await ana.post(f"{RUNS}/{run['id']}/cancel")
        assert done.json()["status"] == "cancelled"
        let_go()
        ended = await ana.get(f"{RUNS}/{queued['id']}/wait", params={"seconds": 20, "until": "end"})
        assert ended.json()["status"] == "answered"


async def test_what_is_not_ones_own_is_not_there(app, client_of):
    async with client_of(app, "ana") as ana:
        run = (await start(ana, QUICK, thread_id="t-1")).json()["id"]
        drawn = (await start(ana, QUICK)).json()["thread_id"]
    paths = [
        f"{RUNS}/{run}",
        f"{RUNS}/{run}/events",
        f"{RUNS}/{run}/wait",
        f"{RUNS}/{run}/timeline",
        f"{FLOW}/threads/t-1",
        f"{FLOW}/threads/{drawn}",
        f"{FLOW}/threads/{drawn}/runs",
        f"{FLOW}/threads/{drawn}/timeline",
    ]
    # Somebody else, a reviewer who was never asked, and namesakes in another house.
    for who in ("ben", "li", "other-ana", "other-li"):
        async with client_of(app, who) as other:
            for path in paths:
                there, gone = await other.get(path), await other.get(path.replace(run, "run-0"))
                assert there.status_code == 404, (who, path)
                # What is somebody else's is answered like what does not exist.
                assert set(there.json()) == set(gone.json())
            feedback = await other.post(f"{RUNS}/{run}/feedback", json={"value": "up"})
            assert feedback.status_code == 404
            assert (await other.get(f"{FLOW}/threads")).json()["data"] == []
            # A message into somebody's conversation does not get there, either.
            into = await start(other, QUICK, thread_id=drawn)
            assert (into.status_code, into.json()["code"]) == (404, "CM610")


async def test_everybody_has_names_of_their_own_for_threads(app, client_of):
    async with client_of(app, "ana") as ana, client_of(app, "ben") as ben:
        await start(ana, QUICK, thread_id="t-1")
        assert (await start(ben, "refund 10 EUR of order 13", thread_id="t-1")).status_code == 200
        (mine,) = (await ben.get(f"{FLOW}/threads/t-1/runs")).json()["data"]
        assert mine["text"] == "refund 10 EUR of order 13"


async def test_nobody_becomes_somebody_else_by_a_field_or_a_header(app, client_of):
    forged = {"X-Forwarded-User": "ben", "Remote-User": "ben", "X-User": "ben"}
    async with client_of(app, "ana") as ana:
        for name in ("principal", "user", "tenant", "roles"):
            answer = await ana.post(RUNS, json={"text": QUICK, name: "ben"}, headers=forged)
            assert answer.status_code == 422
        run = (await ana.post(RUNS, json={"text": QUICK}, headers=forged)).json()
    assert run["requester"] == "ana"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": ""}, 422),
        ({"text": " \n"}, 400),
        ({"text": "x" * 100_000}, 400),
        ({"text": 7}, 422),
        ({"text": QUICK, "thread_id": ""}, 400),
        ({"text": QUICK, "thread_id": "a~b"}, 400),
        ({"text": QUICK, "thread_id": "x" * 97}, 400),
        ({"text": QUICK, "thread_id": "a\nb"}, 400),
        ({"text": QUICK, "thread_id": "\ud800"}, 400),
        ([], 422),
        (None, 422),
    ],
)
async def test_what_is_no_message_is_refused(body, status, app, client_of, refunds):
    async with client_of(app, "ana") as ana:
        answer = await ana.post(
            RUNS, content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await refunds.threads() == []


async def test_malformed_json_is_refused_and_not_repeated(app, client_of):
    async with client_of(app, "ana") as ana:
        headers = {"Content-Type": "application/json"}
        for content in ('{"text": "secret', "NaN", "\x00", "[" * 10_000, '{"text": "a", "text":}'):
            answer = await ana.post(RUNS, content=content, headers=headers)
            assert answer.status_code in (400, 422), content[:20]
            assert "secret" not in answer.text


async def test_an_unknown_workflow_is_told_with_those_there_are(app, client_of):
    async with client_of(app, "ana") as ana:
        answer = await ana.post("/api/v1/workflows/payroll/runs", json={"text": QUICK})
        assert (answer.status_code, answer.json()["code"]) == (404, "CM720")
        assert "refunds" in answer.json()["hint"]


@pytest.mark.parametrize("path", ["/api/v1/workflows", "/api/v1/workflows/payroll/runs/run-1"])
async def test_who_is_not_signed_in_learns_nothing(path, app, client_of):
    async with client_of(app) as nobody:
        answer = await nobody.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "CM701")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "refunds" not in answer.text
        wrong = await nobody.get(path, headers={"Authorization": "Bearer made-up"})
        assert wrong.status_code == 401
        assert "made-up" not in wrong.text


async def test_pages_of_threads_hold_each_thread_once(app, client_of):
    async with client_of(app, "ana") as ana:
        for number in range(7):
            await start(ana, QUICK, thread_id=f"t/{number}")
        seen, cursor = [], None
        while True:
            query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = (await ana.get(f"{FLOW}/threads", params=query)).json()
            seen += [thread["id"] for thread in page["data"]]
            cursor = page["next"]
            if cursor is None:
                break
            # What comes in meanwhile does not push anything out of the pages that follow.
            await start(ana, QUICK, thread_id="late")
    assert seen == [f"t/{number}" for number in reversed(range(7))]


async def test_pages_of_runs_and_of_the_timeline_fit_together(app, client_of):
    async with client_of(app, "ana") as ana:
        for number in range(1, 6):
            await start(ana, f"refund {number} EUR of order 7", thread_id="t-1")
        for what, limit in (("runs", 2), ("timeline", 7)):
            path = f"{FLOW}/threads/t-1/{what}"
            whole = (await ana.get(path, params={"limit": 100})).json()
            assert whole["next"] is None
            parts, cursor = [], ""
            while cursor is not None:
                query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
                page = (await ana.get(path, params=query)).json()
                assert len(page["data"]) <= limit
                parts += page["data"]
                cursor = page["next"]
            assert parts == whole["data"]
    assert next(entry["text"] for entry in parts if entry["part"] == "asked").endswith(
        "ana asked: “refund 1 EUR of order 7”."
    )


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=" + "x" * 601])
async def test_pages_are_bounded(query, app, client_of):
    async with client_of(app, "ana") as ana:
        assert (await ana.get(f"{FLOW}/threads?{query}")).status_code == 422


@pytest.mark.parametrize("cursor", ["x", "WyJhIl0", "bnVsbA", "W10", "eyJhIjoxfQ", "%C3%A4", "!!"])
async def test_a_made_up_cursor_is_refused(cursor, app, client_of):
    async with client_of(app, "ana") as ana:
        answer = await ana.get(f"{FLOW}/threads?cursor={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "CM600")


async def test_a_thread_tells_how_it_stands(app, client_of):
    async with client_of(app, "ana") as ana, client_of(app, "li") as li:
        run = (await start(ana, WAITING, thread_id="t-1")).json()
        queued = (await start(ana, QUICK, thread_id="t-1")).json()
        state = (await ana.get(f"{FLOW}/threads/t-1")).json()
        assert (state["status"], state["runs"]) == ("queued", 2)
        assert state["latest"]["id"] == queued["id"]
        assert [p["id"] for p in state["pending"]] == [run["pending"][0]["id"]]
        # Whoever decides finds the thread as its approval names it, and the run that it is about.
        named = (await li.get("/api/v1/approvals")).json()["data"][0]["thread_id"]
        seen = (await li.get(f"{FLOW}/threads/{named}/runs")).json()["data"]
        assert [each["id"] for each in seen] == [run["id"]]
        assert (await li.get(f"{FLOW}/threads/{named}/timeline")).status_code == 200
        async with client_of(app, "other-li") as other:
            assert (await other.get(f"{FLOW}/threads/{named}")).status_code == 404


async def test_feedback_is_stored_and_bounded(app, client_of, refunds):
    async with client_of(app, "ana") as ana:
        run = (await start(ana)).json()["id"]
        path = f"{RUNS}/{run}/feedback"
        given = await ana.post(path, json={"value": "down", "comment": "too little"})
        assert given.status_code == 201
        (stored,) = await refunds.corrections.list()
        assert (stored.id, stored.comment) == (given.json()["id"], "too little")
        assert (await ana.post(path, json={"value": "sideways"})).status_code == 422
        unknown = await ana.post(path, json={"value": "down", "intent": "no_such"})
        assert unknown.status_code == 400


async def test_too_many_runs_of_one_principal_wait_outside(refunds, auth, client_of, let_go):
    settings = Settings(limits=Limits(runs_each=2, runs=3))
    app = create_app(refunds, auth=auth, settings=settings)
    async with client_of(app, "ana") as ana, client_of(app, "ben") as ben:
        answers = await asyncio.gather(*(start(ana, HELD, wait=0) for _ in range(6)))
        refused = [a for a in answers if a.status_code == 429]
        assert len(refused) == 4
        assert all(int(a.headers["retry-after"]) >= 1 for a in refused)
        assert (await start(ben, HELD, wait=0)).status_code == 202
        assert (await start(ben, HELD, wait=0)).status_code == 429  # The server has its three.
        assert len(await refunds.threads()) == 3
        let_go()
        for answer in answers:
            if answer.status_code == 202:
                await ana.get(f"{answer.headers['location']}/wait", params={"seconds": 20})
        assert (await start(ana, QUICK)).status_code == 200


async def test_too_many_requests_are_refused_by_principal(refunds, auth, client_of):
    app = create_app(refunds, auth=auth, settings=Settings(limits=Limits(requests=3)))
    async with client_of(app, "ana") as ana, client_of(app, "other-ana") as other:
        answers = [await ana.get("/api/v1/workflows") for _ in range(5)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert (await other.get("/api/v1/workflows")).status_code == 200


async def test_a_mounted_app_tells_where_its_runs_really_are(refunds, auth, client_of):
    outer = FastAPI()
    outer.mount("/desk", create_app(refunds, auth=auth))
    async with client_of(outer, "ana") as ana:
        taken = await ana.post(f"/desk{RUNS}?wait=20", json={"text": QUICK})
        assert taken.headers["location"].startswith(f"/desk{RUNS}/run-")
        assert (await ana.get(taken.headers["location"])).json()["id"] == taken.json()["id"]
        missing = await ana.get("/desk/v1/nowhere")
        assert "error" in missing.json()


async def test_names_with_slashes_and_signs_are_names_like_others(app, client_of):
    async with client_of(app, "ana") as ana:
        for name in ("a/b", "a b", "ä?#%", "../t-1", "<script>"):
            assert (await start(ana, QUICK, thread_id=name)).json()["thread_id"] == name
            path = f"{FLOW}/threads/{quote(name, safe='')}"
            if name != "../t-1":
                assert (await ana.get(path)).json()["id"] == name
                assert len((await ana.get(f"{path}/runs")).json()["data"]) == 1
