"""An MCP client of the official SDK against a server of workflows, by HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

import concertmaster as cm
from concertmaster.errors import ConfigError

LAMP = "How long do I have to return a lamp?"
REFUND = "Please refund 80.00 for order 7"
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
def app(refunds: cm.Desk, auth) -> Any:
    """Return a server of the small workspace with MCP."""
    return cm.create_app(refunds, auth=auth, settings=cm.Settings(mcp=True))


@pytest.fixture(params=["auto", "legacy"])
def client(request: pytest.FixtureRequest, app: Any, serve: Any) -> Callable[..., Any]:
    """Return what connects a client of the newest protocol, or of those before it."""
    url = None

    @contextlib.asynccontextmanager
    async def connect(who: str | None = "ana") -> AsyncIterator[Client]:
        nonlocal url
        url = url or await serve(app)
        headers = {"Authorization": f"Bearer {who}-token"} if who else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(
                streamable_http_client(f"{url}/mcp", http_client=http),
                mode=request.param,
                cache=None,
            ) as connected,
        ):
            yield connected

    return connect


async def test_workflows_are_tools_with_what_their_owner_says_of_them(client) -> None:
    async with client() as mcp:
        listed = (await mcp.list_tools()).tools
    assert [t.name for t in listed] == [
        "refunds",
        "refunds_status",
    ]
    desk = listed[0]
    assert set(desk.input_schema["properties"]) == {"message", "thread_id"}
    assert desk.annotations.read_only_hint is False
    assert listed[1].annotations.read_only_hint is True


async def test_question_is_answered_with_citations(desk: cm.Desk, auth, serve) -> None:
    url = await serve(cm.create_app(desk, auth=auth, settings=cm.Settings(mcp=True)))
    headers = {"Authorization": "Bearer ana-token"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as mcp,
    ):
        # The SDK's client holds the structured content against the tool's own schema.
        result = await mcp.call_tool("support_desk", {"message": LAMP, "thread_id": "t-1"})
    data = result.structured_content
    assert (data["status"], data["thread_id"], data["pending"]) == ("answered", "t-1", [])
    assert "30 days" in data["text"]
    assert data["citations"][0]["document"] == "returns-policy"
    assert "30 days" in result.content[0].text
    assert f"[1] {data['citations'][0]['title']}" in result.content[0].text
    record = await desk.runs.get(data["run_id"])
    assert record.principal.id == "ana"


async def test_thread_goes_on(client) -> None:
    async with client() as mcp:
        first = await mcp.call_tool("refunds", {"message": "refund 20 EUR of order 7"})
        thread = first.structured_content["thread_id"]
        again = {"message": "refund 10 EUR of order 7", "thread_id": thread}
        second = await mcp.call_tool("refunds", again)
    assert second.structured_content["thread_id"] == thread
    assert second.structured_content["run_id"] != first.structured_content["run_id"]


async def test_run_that_waits_for_people_returns_at_once_and_is_looked_at_later(
    client, refunds: cm.Desk
) -> None:
    async with client() as mcp:
        asked = await mcp.call_tool("refunds", {"message": REFUND})
        data = asked.structured_content
        assert data["status"] == "awaiting_review"
        (pending,) = data["pending"]
        assert pending["tool"] == "refund"
        assert pending["needs"] == ["finance"]
        assert pending["approval_id"] in asked.content[0].text
        await refunds.decide(pending["approval_id"], cm.Approve(reason="seen"), principal="li")
        looked = await mcp.call_tool("refunds_status", {"run_id": data["run_id"]})
    assert looked.structured_content["status"] == "answered"
    assert looked.structured_content["pending"] == []


async def test_progress_is_told_to_who_asks_for_it(client) -> None:
    told = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with client() as mcp:
        await mcp.call_tool("refunds", {"message": REFUND}, progress_callback=on_progress)
    assert "executor" in told
    assert any(m.startswith("get_order: ") for m in told)


async def test_run_of_somebody_else_is_like_one_that_is_not_there(client) -> None:
    async with client("ana") as mcp:
        run = (await mcp.call_tool("refunds", {"message": REFUND})).structured_content["run_id"]
    async with client("ben") as mcp:
        other = await mcp.call_tool("refunds_status", {"run_id": run})
        nowhere = await mcp.call_tool("refunds_status", {"run_id": "run-0123456789abcdef"})
    assert other.is_error
    assert other.content[0].text.replace(run, "X") == nowhere.content[0].text.replace(
        "run-0123456789abcdef", "X"
    )
    async with client("li") as mcp:
        # Who decides about it may look at it.
        seen = await mcp.call_tool("refunds_status", {"run_id": run})
    assert seen.structured_content["status"] == "awaiting_review"


async def test_same_thread_id_of_two_people_is_two_threads(client) -> None:
    runs = []
    for who in ("ana", "ben"):
        async with client(who) as mcp:
            result = await mcp.call_tool("refunds", {"message": "order 7", "thread_id": "t-1"})
            runs.append(result.structured_content["thread_id"])
    assert runs == ["t-1", "t-1"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("refunds", {}),
        ("refunds", {"message": ""}),
        ("refunds", {"message": ["a"]}),
        ("refunds", {"message": "a", "principal": "li"}),
        ("refunds", {"message": "a", "thread_id": 7}),
        ("refunds_status", {"message": "a"}),
        ("payroll", {"message": "a"}),
        ("__class__", {}),
    ],
)
async def test_call_that_does_not_fit_starts_nothing(
    client, refunds: cm.Desk, tool: str, arguments: dict
) -> None:
    async with client() as mcp:
        with pytest.raises(MCPError) as caught:
            await mcp.call_tool(tool, arguments)
    assert caught.value.code == -32602
    assert await refunds.runs.threads(10) == []


async def test_thread_id_that_is_none_is_told_as_the_tools_answer(client) -> None:
    async with client() as mcp:
        result = await mcp.call_tool("refunds", {"message": "a", "thread_id": "a~b"})
    assert result.is_error
    assert "no ~" in result.content[0].text


async def test_nobody_is_let_in_without_a_key(client) -> None:
    for who in (None, "nobody"):
        with pytest.raises((MCPError, BaseExceptionGroup)):
            async with client(who) as mcp:
                await mcp.list_tools()


def posted(client: httpx.AsyncClient, **more: Any) -> Any:
    return client.post("/mcp", json=PING, headers={**HEADERS, **more.pop("headers", {})}, **more)


async def test_refusals_have_the_status_and_form_of_everything_else(app, client_of) -> None:
    async with client_of(app) as nobody:
        answer = await posted(nobody)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (
            401,
            'Bearer realm="concertmaster"',
        )
        wrong = await posted(nobody, headers={"Authorization": "Bearer nobody-token"})
        assert wrong.status_code == 401
    async with client_of(app, "ana") as ana:
        assert (await posted(ana)).status_code == 200
        for method in ("GET", "DELETE"):
            answer = await ana.request(method, "/mcp", headers=HEADERS)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        huge = await ana.post("/mcp", content=b"x" * 300_000, headers=HEADERS)
        assert huge.status_code == 413
        broken = await ana.post(
            "/mcp", content=b"{", headers={**HEADERS, "Content-Type": "application/json"}
        )
        assert broken.status_code == 400


async def test_page_of_another_site_is_refused_even_under_a_name_of_ours(app, client_of) -> None:
    async with client_of(app, "ana") as ana:
        # A name that leads here (DNS rebinding): origin and host agree, and nobody listed it.
        rebound = {"Origin": "http://evil.example", "Host": "evil.example"}
        assert (await posted(ana, headers=rebound)).status_code == 403
        assert (await posted(ana, headers={"Origin": "null"})).status_code == 403
    listed = cm.Settings(mcp=True, origins=("https://chat.example",))
    other = cm.create_app(*app.state.host, auth=app.state.auth, settings=listed)
    async with client_of(other, "ana") as ana:
        answer = await posted(ana, headers={"Origin": "https://chat.example"})
        assert answer.status_code == 200
        assert (await posted(ana, headers={"Origin": "https://b.example"})).status_code == 403


async def test_requests_of_one_principal_are_limited_here_as_elsewhere(
    refunds: cm.Desk, auth, client_of
) -> None:
    limits = cm.Settings().limits.model_copy(update={"requests": 2})
    app = cm.create_app(refunds, auth=auth, settings=cm.Settings(mcp=True, limits=limits))
    async with client_of(app, "ana") as ana:
        codes = [(await posted(ana)).status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]


async def test_there_is_no_mcp_where_it_was_not_asked_for(refunds: cm.Desk, auth, client_of):
    async with client_of(cm.create_app(refunds, auth=auth), "ana") as ana:
        assert (await posted(ana)).status_code == 404


async def test_server_mounted_in_another_app_needs_no_lifespan(refunds: cm.Desk, auth, client_of):
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/desk", cm.create_app(refunds, auth=auth, settings=cm.Settings(mcp=True)))
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "refunds", "arguments": {"message": REFUND}},
    }
    async with client_of(outer, "ana") as ana:
        answer = await ana.post("/desk/mcp", json=call, headers=HEADERS)
    assert answer.status_code == 200
    assert '"awaiting_review"' in answer.text


async def test_idempotency_key_of_a_request_starts_one_run(app, client_of, refunds: cm.Desk):
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "refunds", "arguments": {"message": REFUND}},
    }
    headers = {**HEADERS, "Idempotency-Key": "k-1"}
    async with client_of(app, "ana") as ana:
        texts = [(await ana.post("/mcp", json=call, headers=headers)).text for _ in range(2)]
    runs = {word for text in texts for word in text.split('"') if word.startswith("run-")}
    assert len(runs) == 1


async def test_client_that_goes_away_leaves_its_run_to_go_on(
    client, refunds: cm.Desk, let_go
) -> None:
    async with client() as mcp:
        call = asyncio.create_task(
            mcp.call_tool("refunds", {"message": "Please refund 80.00 for order 77"})
        )
        async with asyncio.timeout(30):
            while not (going := await refunds.runs.with_status("running")):
                await asyncio.sleep(0.02)
        call.cancel()
        await asyncio.wait({call})
    let_go()
    run = await refunds.background.wait(going[0].id, seconds=30)
    assert run.status == "awaiting_review"


async def test_what_nobody_expected_is_told_by_a_reference_alone(
    client, refunds: cm.Desk, caplog, monkeypatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the card number is 4111")

    monkeypatch.setattr(refunds.background, "start", broken)
    async with client() as mcp:
        with pytest.raises(MCPError, match="err-") as caught:
            await mcp.call_tool("refunds", {"message": REFUND})
    assert "4111" not in str(caught.value) + caplog.text
    assert "RuntimeError in a tool call" in caplog.text


async def test_workflow_named_like_anothers_status_is_refused(refunds_folder, tmp_path, auth):
    from concertmaster.serving.host import Host
    from concertmaster.serving.mcp.catalogue import check_names

    host = Host(())
    host._desks = {"refunds": None, "refunds_status": None}
    with pytest.raises(ConfigError, match="cannot both be tools"):
        check_names(host)
