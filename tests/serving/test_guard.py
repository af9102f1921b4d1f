"""What is refused at the door: bodies that are too large or never come, too many headers."""

import asyncio
import logging

import httpx
import pytest

from concertmaster.serving.app import create_app
from concertmaster.serving.guard import Guard
from concertmaster.serving.settings import Limits, Settings

RUNS = "/api/v1/workflows/refunds/runs"


def by_hand(app, limits: Limits):
    """Return a client of a bare app behind the guard."""
    transport = httpx.ASGITransport(app=Guard(app, limits), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://server")


async def echo(scope, receive, send) -> None:
    message = await receive()
    assert not message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


async def test_a_body_arrives_whole_however_it_was_cut(refunds):
    async def parts():
        for _ in range(10):
            yield b"x" * 100

    async with by_hand(echo, Limits(body=1024)) as client:
        answer = await client.post("/", content=parts())
    assert (answer.status_code, answer.content) == (200, b"x" * 1000)


@pytest.mark.parametrize("path", ["/api/v1/workflows", "/v1/chat/completions"])
async def test_a_body_that_is_too_large_is_refused_in_the_protocols_form(path):
    called = False

    async def app(scope, receive, send) -> None:
        nonlocal called
        called = True

    async def endless():
        while True:
            yield b"x" * 1000

    async with by_hand(app, Limits(body=1024)) as client:
        # One says how large it is, the other does not.
        for content in (b"x" * 1025, endless()):
            answer = await client.post(path, content=content)
            assert answer.status_code == 413
            assert ("error" in answer.json()) == path.startswith("/v1/")
            assert answer.headers["connection"] == "close"
    assert not called


@pytest.mark.parametrize("length", ["-1", "x", "1e9", "99999999999999999999"])
async def test_a_made_up_length_is_refused(length):
    async with by_hand(echo, Limits(body=1024)) as client:
        answer = await client.post("/", content=b"x", headers={"Content-Length": length})
    assert answer.status_code == 413


async def test_a_body_that_does_not_come_is_not_waited_for(refunds, auth, serve):
    settings = Settings(limits=Limits(reading=0.2))
    url = await serve(create_app(refunds, auth=auth, settings=settings))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    head = f"POST {RUNS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b"{")
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    # Others are served meanwhile and afterwards.
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_a_body_in_drops_is_not_waited_for_longer(refunds, auth, serve):
    settings = Settings(limits=Limits(reading=0.3))
    url = await serve(create_app(refunds, auth=auth, settings=settings))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(f"POST {RUNS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode())
    answer = asyncio.create_task(reader.read())
    async with asyncio.timeout(10):
        while not answer.done():
            writer.write(b" ")
            await asyncio.sleep(0.05)
    writer.close()
    assert answer.result().startswith(b"HTTP/1.1 408 ")


async def test_too_many_headers_are_refused():
    async with by_hand(echo, Limits()) as client:
        answer = await client.get("/", headers={f"x-{n}": "y" for n in range(101)})
    assert answer.status_code == 400


async def test_what_nobody_expected_is_told_by_a_reference_alone(caplog):
    async def app(scope, receive, send) -> None:
        raise ValueError("the card number 4111")

    with caplog.at_level(logging.ERROR):
        async with by_hand(app, Limits()) as client:
            answer = await client.get("/api/v1/x")
    assert answer.status_code == 500
    assert "4111" not in answer.text + caplog.text
    assert answer.headers["content-type"] == "application/problem+json"
    reference = answer.json()["hint"].rpartition(" ")[2]
    assert reference in caplog.text
    assert "ValueError at test_guard.py" in caplog.text


async def test_every_answer_has_the_headers_that_protect_it(refunds, auth, client_of):
    async with client_of(create_app(refunds, auth=auth), "ana") as ana:
        for path in ("/healthz", "/api/v1/workflows", "/nowhere", f"{RUNS}/run-0"):
            headers = (await ana.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"


async def test_browsers_of_other_origins_are_not_let_in(refunds, auth, client_of):
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    async with client_of(create_app(refunds, auth=auth), "ana") as ana:
        for answer in (
            await ana.get("/api/v1/workflows", headers=asked),
            await ana.options(RUNS, headers=asked),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]
    opened = Settings(origins=("https://shop.example",))
    async with client_of(create_app(refunds, auth=auth, settings=opened), "ana") as ana:
        answer = await ana.options(RUNS, headers={**asked, "Origin": "https://shop.example"})
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-credentials" not in answer.headers
        refused = await ana.options(RUNS, headers=asked)
        assert "access-control-allow-origin" not in refused.headers


# What the `openai` package for JavaScript sends from a page, in the order of a browser: by name.
FROM_A_PAGE = (
    "authorization,content-type,idempotency-key,openai-organization,openai-project,"
    "x-stainless-arch,x-stainless-helper-method,x-stainless-lang,x-stainless-os,"
    "x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,"
    "x-stainless-runtime-version,x-stainless-timeout"
)


async def preflight(app, client_of, names: str, origin: str = "https://shop.example"):
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": names,
    }
    async with client_of(app) as browser:
        return await browser.options("/v1/chat/completions", headers=asked)


def allowed(answer) -> set[str]:
    """Return what a browser lets a page send after this answer, besides what it always does."""
    names = answer.headers.get("access-control-allow-headers", "").lower().split(", ")
    origin = answer.headers.get("access-control-allow-origin")
    return set(names) if origin == "https://shop.example" and answer.status_code == 200 else set()


async def test_openai_client_in_a_page_of_a_listed_origin_may_send_its_headers(
    refunds, auth, client_of
):
    opened = Settings(origins=("https://shop.example",))
    app = create_app(refunds, auth=auth, settings=opened)
    assert set(FROM_A_PAGE.split(",")) <= allowed(await preflight(app, client_of, FROM_A_PAGE))
    alone = allowed(await preflight(app, client_of, "x-stainless-of-a-later-release"))
    assert "x-stainless-of-a-later-release" in alone
    # Elsewhere it changes nothing.
    assert not allowed(await preflight(app, client_of, FROM_A_PAGE, "https://evil.example"))
    closed = create_app(refunds, auth=auth)
    assert not allowed(await preflight(closed, client_of, FROM_A_PAGE))


@pytest.mark.parametrize(
    "name",
    ["x-forwarded-user", "x-stainless", "x-stainless-", "ax-stainless-os", "x-stainless-a b", "*",
     f"x-stainless-{'a' * 41}", "x-csrf-token", "cookie"],
)  # fmt: skip
async def test_page_may_send_no_other_header(name, refunds, auth, client_of):
    opened = Settings(origins=("https://shop.example",))
    app = create_app(refunds, auth=auth, settings=opened)
    for names in (name, f"{FROM_A_PAGE},{name}"):
        answer = await preflight(app, client_of, names)
        assert answer.status_code == 400, names
        assert name not in answer.headers["access-control-allow-headers"].lower().split(", ")


async def test_only_the_hosts_of_the_settings_are_answered(refunds, auth, client_of):
    settings = Settings(hosts=("shop.example",))
    async with client_of(create_app(refunds, auth=auth, settings=settings), "ana") as ana:
        assert (await ana.get("/healthz")).status_code == 400
        there = await ana.get("/healthz", headers={"Host": "shop.example"})
        assert there.status_code == 200
