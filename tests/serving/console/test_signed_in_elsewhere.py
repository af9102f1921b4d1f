"""The console in an application that signs people in by itself, and below another path."""

import httpx
import pytest
from fastapi import FastAPI
from tests.serving.console.conftest import Browser

from concertmaster.contracts import Principal
from concertmaster.serving.app import create_app
from concertmaster.serving.settings import Settings

HOST = {"li": ("finance",), "mats": ("finance",), "ana": ("customer",)}


@pytest.fixture
def mounted(desk):
    """Return an application that knows people by a cookie of its own and mounts the server."""

    async def known(connection) -> Principal | None:
        who = connection.cookies.get("host")
        return Principal(id=who, roles=HOST[who]) if who in HOST else None

    outer = FastAPI()
    outer.mount("/desk", create_app(desk, auth=known))
    return outer


async def test_links_stay_below_the_path(mounted, asked):
    run = await asked("please make the payout for order 7")
    li = Browser(mounted, root="/desk")
    li.client.cookies.set("host", "li")
    page = (await li.get("/console")).text
    assert f'href="/desk/console/approvals/payouts/{run.pending[0].id}"' in page
    assert 'href="/console' not in page
    assert 'src="/desk/console/static/console.js?v=' in page
    for file in ("console.js", "console.css", "htmx.min.js", "htmx.LICENSE.txt", "icon.svg"):
        found = await li.get(f"/console/static/{file}")
        assert (found.status_code, found.headers["x-content-type-options"]) == (200, "nosniff")
    for file in ("../page.py", "%2e%2e%2fpage.py", "page.py", "console.css.map"):
        assert (await li.get(f"/console/static/{file}")).status_code in (404, 401)
    await li.client.aclose()


async def test_the_hosts_word_counts_and_there_is_no_sign_in(mounted, asked, desk):
    run = await asked("please make the payout for order 7")
    id_ = run.pending[0].id
    li, mats = Browser(mounted, root="/desk"), Browser(mounted, root="/desk")
    assert (await li.get("/console")).status_code == 401
    assert (await li.get("/console/sign-in")).status_code == 404
    assert (await li.post("/console/sign-in", {"key": "x"})).status_code == 404
    li.client.cookies.set("host", "li")
    mats.client.cookies.set("host", "mats")
    await li.get("/console")
    await mats.get("/console")
    assert li.token != mats.token
    where = f"/console/approvals/payouts/{id_}"
    refused = await li.post(f"{where}/claim", {"csrf": mats.token})
    assert refused.status_code == 403
    refused = await li.post(
        f"{where}/claim", origin="https://evil.example", **{"sec-fetch-site": None}
    )
    assert refused.status_code == 403
    done = await li.post(f"{where}/claim")
    assert (done.status_code, done.headers["location"]) == (303, f"/desk{where}")
    assert (await desk.services.approvals.get(id_)).claims[0].by == "li"
    await li.client.aclose()
    await mats.client.aclose()


async def test_without_a_console_there_is_none(desk):
    async def nobody(connection) -> None:
        return None

    app = create_app(desk, auth=nobody, settings=Settings(console=False))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        assert (await client.get("/console")).status_code == 404


async def test_pages_are_no_part_of_the_described_api(app, browser):
    stranger = await browser()
    described = (await stranger.get("/openapi.json")).json()
    assert not [path for path in described["paths"] if path.startswith("/console")]


async def test_sign_ins_are_not_tried_without_end(browser):
    stranger = await browser()
    codes = set()
    for _ in range(125):
        codes.add((await stranger.post("/console/sign-in", {"key": "nonsense"})).status_code)
    assert codes == {401, 429}
