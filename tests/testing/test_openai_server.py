import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from langchain_openai import ChatOpenAI

from concertmaster.testing import (
    Call,
    Drop,
    Fail,
    Garbage,
    Hang,
    OpenAIServer,
    Status,
    Wait,
    openai_server,
)

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post(server: OpenAIServer, body: Any, path: str = "/chat/completions") -> tuple[int, str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data=raw, method="POST")
    try:
        with OPENER.open(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def asked(text: str = "Hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def test_answer_has_the_form_of_the_protocol() -> None:
    with openai_server("Hello there.") as server:
        status, body = post(server, asked())
    answer = json.loads(body)
    assert status == 200
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Hello there."}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 2


def test_models_are_listed() -> None:
    with openai_server(models=("a", "b")) as server:
        with OPENER.open(f"{server.url}/models", timeout=10) as response:
            listed = json.loads(response.read())
        assert [m["id"] for m in listed["data"]] == ["a", "b"]
        assert server.requests[0].method == "GET"


def test_requests_are_recorded() -> None:
    with openai_server(lambda messages: messages[-1]["content"].upper()) as server:
        assert "CANARY" in post(server, asked("canary"))[1]
        (request,) = server.requests
        assert "canary" in request.text
        assert request.messages[0]["content"] == "canary"
        assert request.headers["host"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        (b"{", "/chat/completions", 400),
        ({"model": "m"}, "/chat/completions", 400),
        (asked(), "/embeddings", 404),
    ],
)
def test_wrong_requests_are_refused(body: Any, path: str, status: int) -> None:
    with openai_server("unused") as server:
        assert post(server, body, path)[0] == status
        assert server.remaining == 1


def test_failures_are_served() -> None:
    with openai_server(Status(429, "slow down"), Fail(ValueError("x")), Garbage("{")) as server:
        assert post(server, asked())[0] == 429
        assert post(server, asked())[0] == 500
        assert post(server, asked()) == (200, "{")
        assert post(server, asked())[0] == 500
        assert "has 3 steps" in post(server, asked())[1]


def test_connection_is_dropped() -> None:
    with openai_server(Drop()) as server, pytest.raises((ConnectionError, urllib.error.URLError)):
        post(server, asked())


def test_hanging_answer_does_not_hold_up_the_end() -> None:
    server = openai_server(Hang(60))
    failures: list[Exception] = []

    def ask() -> None:
        try:
            post(server, asked())
        except Exception as error:
            failures.append(error)

    began = time.monotonic()
    with server:
        thread = threading.Thread(target=ask)
        thread.start()
        while not server.requests:
            time.sleep(0.01)
    thread.join(5)
    assert time.monotonic() - began < 5
    assert failures


async def test_langchain_reads_a_stream() -> None:
    calls = [Call("look", {"order": 7})]
    async with openai_server("one two two three", calls) as server:
        model = ChatOpenAI(model="m", base_url=server.url, api_key="x", stream_usage=True)  # type: ignore[arg-type]
        chunks = [chunk async for chunk in model.astream("Hi")]
        assert "".join(c.text for c in chunks) == "one two two three"
        assert len([c for c in chunks if c.text]) == 4
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole = whole + chunk  # type: ignore[assignment]
        assert whole.usage_metadata is not None
        assert whole.usage_metadata["output_tokens"] == 4
        called = [chunk async for chunk in model.astream("Hi")]
        joined = called[0]
        for chunk in called[1:]:
            joined = joined + chunk  # type: ignore[assignment]
        assert joined.tool_calls[0]["args"] == {"order": 7}
        assert server.requests[0].body["stream"] is True


async def test_stream_breaks_off() -> None:
    async with openai_server(Drop()) as server:
        model = ChatOpenAI(model="m", base_url=server.url, api_key="x", max_retries=0)  # type: ignore[arg-type]
        seen = ""
        # A server that closes in mid-stream ends it without its last chunk.
        async for chunk in model.astream("Hi"):
            seen += chunk.text
            assert not chunk.response_metadata.get("finish_reason")
        assert seen == "This is only the begin"


async def test_answers_wait_side_by_side() -> None:
    async with openai_server(otherwise=Wait(0.2, "late")) as server:
        began = time.monotonic()
        await asyncio.gather(*(asyncio.to_thread(post, server, asked()) for _ in range(4)))
        assert time.monotonic() - began < 0.75


def test_url_is_known_only_while_it_runs() -> None:
    server = openai_server("x")
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url
