"""Approvals by HTTP: each reviewer's own queue, and decisions by those who may make them."""

import asyncio
import shutil

import pytest

import concertmaster as cm
from concertmaster.serving.app import create_app

RUNS = "/api/v1/workflows/refunds/runs"
QUEUE = "/api/v1/approvals"


@pytest.fixture
def app(refunds, auth):
    return create_app(refunds, auth=auth)


@pytest.fixture
async def asked(app, client_of):
    """Have ana ask for a refund that waits for finance; return the run."""
    async with client_of(app, "ana") as ana:
        body = {"text": "refund order 1042", "thread_id": "t-1"}
        return (await ana.post(f"{RUNS}?wait=20", json=body)).json()


async def test_reviewers_see_their_queue_alone(app, asked, client_of):
    async with client_of(app, "li") as li:
        (waiting,) = (await li.get(QUEUE)).json()["data"]
        assert waiting["run_id"] == asked["id"]
        assert waiting["provenance"]["values"]
        assert (await li.get(f"{QUEUE}?view=own")).json()["data"] == []
    for who in ("ana", "ben", "sam", "other-li", "other-ana"):
        async with client_of(app, who) as other:
            assert (await other.get(QUEUE)).json()["data"] == [], who
            found = await other.get(f"{QUEUE}/{waiting['id']}")
            assert found.status_code == (200 if who == "ana" else 404), who


async def test_who_asked_sees_what_waits_but_not_who_decides(app, asked, client_of):
    async with client_of(app, "ana") as ana, client_of(app, "li") as li:
        (mine,) = (await ana.get(f"{QUEUE}?view=own")).json()["data"]
        await li.post(f"{QUEUE}/{mine['id']}/claim")
        mine = (await ana.get(f"{QUEUE}/{mine['id']}")).json()
        assert mine["arguments"]["order_id"] == 1042
        assert (mine["reviewing"], mine["claims"], mine["provenance"]) == (False, [], None)
        await li.post(f"{QUEUE}/{mine['id']}/decision", json={"kind": "approve", "reason": "ok"})
        mine = (await ana.get(f"{QUEUE}/{mine['id']}")).json()
        assert (mine["status"], mine["votes"]) == ("approved", [])


async def test_filters_narrow_the_queue(app, asked, client_of):
    id = asked["pending"][0]["id"]
    async with client_of(app, "li") as li:

        async def ids(query: str) -> list[str]:
            return [each["id"] for each in (await li.get(f"{QUEUE}?{query}")).json()["data"]]

        for fits in ("tool=refund", "role=finance", "requester=ana", "workflow=refunds",
                     "claimed=false", "status=any", "status=pending"):  # fmt: skip
            assert await ids(fits) == [id], fits
        for other in ("tool=get_order", "role=ops", "requester=ben", "claimed=true",
                      "status=approved"):  # fmt: skip
            assert await ids(other) == [], other
        assert (await li.get(f"{QUEUE}?workflow=payroll")).status_code == 404
        assert (await li.get(f"{QUEUE}?status=nice")).status_code == 422


async def test_pages_of_the_queue_hold_each_approval_once(app, client_of):
    async with client_of(app, "ana") as ana, client_of(app, "li") as li:
        for _ in range(5):
            await ana.post(f"{RUNS}?wait=20", json={"text": "refund order 1042"})
        whole = [each["id"] for each in (await li.get(QUEUE)).json()["data"]]
        assert len(whole) == 5
        seen, query = [], "limit=2"
        while query:
            page = (await li.get(f"{QUEUE}?{query}")).json()
            seen += [each["id"] for each in page["data"]]
            if len(seen) == 2:  # One that was shown is decided meanwhile.
                await li.post(f"{QUEUE}/{seen[0]}/decision", json={"kind": "approve"})
            query = page["next"] and f"limit=2&cursor={page['next']}"
    assert seen == whole


async def test_the_queue_goes_over_all_workflows(
    refunds, refunds_folder, tmp_path, auth, client_of
):
    other = tmp_path / "returns"
    shutil.copytree(refunds_folder, other)
    spec = (other / "workflow.yaml").read_text().replace("workflow: refunds", "workflow: returns")
    (other / "workflow.yaml").write_text(spec)
    async with cm.open(other, home=tmp_path / "other-home") as returns:
        app = create_app(refunds, returns, auth=auth)
        async with client_of(app, "ana") as ana, client_of(app, "li") as li:
            for name in ("refunds", "returns"):
                path = f"/api/v1/workflows/{name}/runs?wait=20"
                await ana.post(path, json={"text": "refund order 1042", "thread_id": "t-1"})
            queue = (await li.get(QUEUE)).json()["data"]
            assert [each["workflow"] for each in queue] == ["refunds", "returns"]
            (one,) = (await li.get(f"{QUEUE}?workflow=returns")).json()["data"]
            assert one == queue[1]
            decided = await li.post(f"{QUEUE}/{one['id']}/decision", json={"kind": "approve"})
            assert decided.json()["workflow"] == "returns"
            left = (await li.get(QUEUE)).json()["data"]
            assert [each["workflow"] for each in left] == ["refunds"]
            # A run is found in its own workflow alone.
            run = one["run_id"]
            assert (await ana.get(f"{RUNS}/{run}")).status_code == 404


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({"kind": "approve", "reason": "seen"}, "approved", "Refunded 120.00 EUR"),
        ({"kind": "reject", "reason": "no receipt"}, "rejected", "no receipt"),
        ({"kind": "respond", "text": "Call us."}, "responded", ""),
        (
            {"kind": "edit", "arguments": {"order_id": 1042, "amount_cents": 2000}},
            "edited",
            "Refunded 20.00 EUR",
        ),
    ],
)
async def test_each_answer_is_recorded_and_the_run_goes_on(
    answer, status, said, app, asked, client_of
):
    async with client_of(app, "ana") as ana, client_of(app, "li") as li:
        decided = await li.post(f"{QUEUE}/{asked['pending'][0]['id']}/decision", json=answer)
        assert (decided.status_code, decided.json()["status"]) == (200, status)
        assert decided.json()["votes"][0]["by"] == "li"
        run = await ana.get(f"{RUNS}/{asked['id']}/wait", params={"seconds": 20, "until": "end"})
        assert said in run.json()["outcome"]["text"]


async def test_who_asked_cannot_decide_whatever_role_they_have(refunds, auth, people, client_of):
    people["boss-token"] = people["ana-token"].model_copy(update={"roles": ("customer", "finance")})
    app = create_app(refunds, auth=auth)
    try:
        async with client_of(app, "boss") as boss:
            body = {"text": "refund order 1042"}
            run = (await boss.post(f"{RUNS}?wait=20", json=body)).json()
            path = f"{QUEUE}/{run['pending'][0]['id']}"
            for what, sent in (("decision", {"kind": "approve"}), ("claim", {})):
                answer = await boss.post(f"{path}/{what}", json=sent)
                assert (answer.status_code, answer.json()["code"]) == (403, "CM213")
            assert (await boss.get(path)).json()["status"] == "pending"
    finally:
        del people["boss-token"]


async def test_of_two_decisions_at_once_one_counts(app, asked, client_of):
    path = f"{QUEUE}/{asked['pending'][0]['id']}/decision"
    async with client_of(app, "li") as li, client_of(app, "mats") as mats:
        answers = await asyncio.gather(
            li.post(path, json={"kind": "approve"}), mats.post(path, json={"kind": "reject"})
        )
        assert sorted(a.status_code for a in answers) == [200, 409]
        late = await li.post(path, json={"kind": "approve"})
        assert (late.status_code, late.json()["code"]) == (409, "CM212")


async def test_a_claim_keeps_others_from_deciding_until_it_is_let_go(app, asked, client_of):
    path = f"{QUEUE}/{asked['pending'][0]['id']}"
    async with client_of(app, "li") as li, client_of(app, "mats") as mats:
        claimed = await li.post(f"{path}/claim", json={"seconds": 60})
        assert claimed.json()["claims"][0]["by"] == "li"
        assert (await mats.post(f"{path}/decision", json={"kind": "approve"})).status_code == 403
        assert (await mats.post(f"{path}/release")).status_code == 403
        assert (await li.post(f"{path}/release")).json()["claims"] == []
        assert (await mats.post(f"{path}/decision", json={"kind": "approve"})).status_code == 200


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({}, 422),
        ({"kind": "shrug"}, 422),
        ({"kind": "approve", "by": "mats"}, 422),
        ({"kind": "edit"}, 422),
        ({"kind": "edit", "arguments": {"tool": "drop"}}, 200),
        ({"kind": "respond", "text": "  "}, 422),
        ({"kind": "reject", "reason": "x" * 100_000}, 422),
        ({"kind": "edit", "arguments": {"note": "x" * 70_000}}, 422),
    ],
)
async def test_what_is_no_answer_changes_nothing(answer, status, app, asked, client_of, refunds):
    id = asked["pending"][0]["id"]
    async with client_of(app, "li") as li:
        decided = await li.post(f"{QUEUE}/{id}/decision", json=answer)
        assert decided.status_code == status, decided.text
        if status == 422:
            assert (await li.get(f"{QUEUE}/{id}")).json()["status"] == "pending"
        else:
            # Other arguments than the tool has are looked at by the gate, and do not run.
            run = await refunds.background.wait(asked["id"])
            assert "Refunded" not in run.outcome.text


@pytest.mark.parametrize("id", ["apr-00000000", "x", "%00", "%0A", "' OR 1=1 --", "１"])
async def test_a_made_up_approval_is_not_there(id, app, client_of):
    async with client_of(app, "li") as li:
        for method, what in (("GET", ""), ("POST", "/claim"), ("POST", "/release")):
            assert (await li.request(method, f"{QUEUE}/{id}{what}")).status_code == 404
        decided = await li.post(f"{QUEUE}/{id}/decision", json={"kind": "approve"})
        assert decided.status_code == 404
