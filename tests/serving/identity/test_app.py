"""A server with its embedded store of users, over HTTP: who gets in, as whom, and until when."""

import httpx
import pytest

from concertmaster.contracts import Principal
from concertmaster.serving.app import create_app
from concertmaster.serving.identity import csrf_token

RUNS = "/api/v1/workflows/refunds/runs"
WORKFLOWS = "/api/v1/workflows"


@pytest.fixture
async def served_app(refunds_folder, tmp_path, serve):
    """A running server, and what it knows of its users."""
    app = create_app(refunds_folder, home=tmp_path / "homes")
    url = await serve(app)
    store = app.state.identity.store
    await store.add(Principal(id="ana", roles=("customer",)), by="root")
    await store.add(Principal(id="li", roles=("finance",)), by="root")
    return url, app.state.identity


@pytest.fixture
async def client_with_key(served_app):
    """Return what makes a client with a fresh key of a user."""
    url, identity = served_app
    opened = []

    async def make(who: str) -> httpx.AsyncClient:
        _, text = await identity.store.keys.create(who, by="root")
        opened.append(httpx.AsyncClient(base_url=url, headers={"x-api-key": text}, timeout=30))
        return opened[-1]

    yield make
    for client in opened:
        await client.aclose()


async def get(url, **headers):
    async with httpx.AsyncClient(base_url=url) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.get(WORKFLOWS, headers=named)


async def test_nobody_gets_in_without_proof(served_app):
    url, _ = served_app
    spoofs = {"x_forwarded_user": "li", "remote_user": "li", "cookie": "cm_session=li; user=li"}
    for headers in ({}, spoofs, {"authorization": "Bearer cm_made-up"}):
        answer = await get(url, **headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert "made-up" not in answer.text


async def test_key_is_good_until_it_is_revoked(served_app, client_with_key):
    _, identity = served_app
    ana = await client_with_key("ana")
    assert (await ana.get(WORKFLOWS)).status_code == 200
    await identity.store.keys.revoke("ana", by="root")
    refused = await ana.get(WORKFLOWS)
    assert (refused.status_code, "revoked" in refused.text) == (401, True)


async def test_openai_user_field_makes_nobody_of_somebody(served_app, client_with_key):
    ana, li = await client_with_key("ana"), await client_with_key("li")
    body = {
        "model": "refunds",
        "user": "li",
        "metadata": {"thread_id": "mine", "user_id": "li"},
        "messages": [{"role": "user", "content": "refund 20 euros for order 1042"}],
    }
    answer = await ana.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    threads = "/api/v1/workflows/refunds/threads"
    assert len((await ana.get(threads)).json()["data"]) == 1
    assert (await li.get(threads)).json()["data"] == []


async def test_run_of_a_disabled_user_is_refused_when_it_is_approved(served_app, client_with_key):
    _, identity = served_app
    ana, li = await client_with_key("ana"), await client_with_key("li")
    text = {"text": "refund 80 euros for order 1042"}
    run = (await ana.post(RUNS, params={"wait": 30}, json=text)).json()
    assert run["status"] == "awaiting_review", run
    await identity.store.disable("ana", by="root")
    assert (await ana.get(f"{RUNS}/{run['id']}")).status_code == 401
    (approval,) = (await li.get("/api/v1/approvals")).json()["data"]
    decided = await li.post(
        f"/api/v1/approvals/{approval['id']}/decision", json={"kind": "approve"}
    )
    assert decided.status_code < 300, decided.text
    ended = await li.get(f"{RUNS}/{run['id']}/wait", params={"until": "end"})
    assert ended.json()["status"] == "refused", ended.text


async def test_cookie_changes_nothing_without_its_token(served_app):
    url, identity = served_app
    cookie = await identity.sessions.begin(identity.resolve("ana"))
    session = await identity.sessions.find(cookie)
    text = {"text": "refund 20 euros for order 1042"}
    async with httpx.AsyncClient(base_url=url, cookies={"cm_session": cookie}) as browser:
        assert (await browser.get(WORKFLOWS)).status_code == 200
        refused = await browser.post(RUNS, json=text)
        assert refused.status_code in {401, 403}
        assert (await browser.get("/api/v1/workflows/refunds/threads")).json()["data"] == []
        token = {"x-csrf-token": csrf_token(session)}
        assert (await browser.post(RUNS, json=text, headers=token)).status_code == 202


async def test_key_and_cookie_of_different_people_are_refused(served_app, client_with_key):
    _, identity = served_app
    cookie = await identity.sessions.begin(identity.resolve("li"))
    ana = await client_with_key("ana")
    mixed = await ana.get(WORKFLOWS, headers={"cookie": f"cm_session={cookie}"})
    assert (mixed.status_code, "two principals" in mixed.text) == (401, True)
