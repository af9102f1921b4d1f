"""Errors in each protocol's form: the status, the code, and nothing that is for operators."""

import httpx
import pytest
from fastapi import FastAPI, HTTPException

from concertmaster import errors
from concertmaster.errors import (
    ApprovalForbidden,
    ApprovalStale,
    ApprovalUnknown,
    ConcertmasterError,
    HomeBusy,
    KeyReused,
    RequestError,
    ServerBusy,
    StorageError,
    ThreadBusy,
    ThreadForbidden,
    ToolError,
    Unauthenticated,
    UnknownRun,
    UnknownWorkflow,
)
from concertmaster.serving.problems import answer_problem, install, openai_path, status_of


def every_error(kind=ConcertmasterError):
    for below in kind.__subclasses__():
        yield below
        yield from every_error(below)


def raising(error: Exception) -> httpx.AsyncClient:
    app = FastAPI()
    install(app)

    async def fail() -> None:
        raise error

    app.get("/api/v1/x")(fail)
    app.get("/v1/x")(fail)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://server")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestError("x"), 400),
        (Unauthenticated("x", reason="r"), 401),
        (ApprovalForbidden("x"), 403),
        (UnknownRun("x"), 404),
        (UnknownWorkflow("x"), 404),
        (ThreadForbidden("x"), 404),
        (ApprovalUnknown("x"), 404),
        (ApprovalStale("x"), 409),
        (ThreadBusy("x"), 409),
        (KeyReused("x"), 422),
        (ServerBusy("x"), 429),
        (HomeBusy("x"), 503),
        (StorageError("x"), 503),
        (ToolError("x"), 500),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else str(each),
)
async def test_each_error_has_its_status_in_both_forms(error, status):
    assert status_of(error) == status
    async with raising(error) as client:
        problem = await client.get("/api/v1/x")
        assert problem.status_code == problem.json()["status"] == status
        assert problem.headers["content-type"] == "application/problem+json"
        assert problem.json()["code"] == error.code
        assert problem.json()["type"] == f"urn:concertmaster:{error.code}"
        other = await client.get("/v1/x")
        assert other.status_code == status
        assert set(other.json()["error"]) == {"message", "type", "param", "code"}
        assert other.json()["error"]["code"] == error.code


def test_every_error_of_the_hierarchy_has_a_status():
    kinds = {kind for kind in every_error() if kind.__module__ == errors.__name__}
    assert len(kinds) > 20
    for kind in kinds:
        why = {"reason": "expired_key"} if issubclass(kind, Unauthenticated) else {}
        assert 400 <= status_of(kind("x", **why)) <= 503


@pytest.mark.parametrize("kind", [StorageError, HomeBusy, ToolError])
async def test_what_is_for_operators_is_not_told_to_callers(kind, caplog):
    async with raising(kind("/srv/secret/home is full", hint="look into /srv/secret")) as client:
        for path in ("/api/v1/x", "/v1/x"):
            answer = await client.get(path)
            assert answer.status_code in (500, 503)
            assert "/srv/secret" not in answer.text
    assert "/srv/secret" not in caplog.text


async def test_who_has_to_wait_is_told_for_how_long():
    async with raising(ServerBusy("x", rest=2.3)) as client:
        assert (await client.get("/api/v1/x")).headers["retry-after"] == "3"
    async with raising(ServerBusy("x", rest=0.01)) as client:
        assert (await client.get("/v1/x")).headers["retry-after"] == "1"


async def test_who_is_not_signed_in_is_told_how():
    async with raising(Unauthenticated("x", reason="r", about="key-7")) as client:
        answer = await client.get("/api/v1/x")
        assert answer.headers["www-authenticate"].startswith('Bearer realm="concertmaster"')
        assert "key-7" not in answer.text


async def test_routes_that_are_not_there_are_problems_too():
    async with raising(HTTPException(418, "a teapot")) as client:
        missing = await client.get("/api/v1/nowhere")
        assert (missing.status_code, missing.json()["title"]) == (404, "Not found")
        assert (await client.get("/v1/nowhere")).json()["error"]["message"]
        assert (await client.post("/api/v1/x")).status_code == 405
        assert (await client.get("/api/v1/x")).json()["status"] == 418


def test_only_the_openai_protocols_have_their_own_form():
    assert openai_path("/v1/chat/completions")
    assert not openai_path("/api/v1/workflows")
    assert not openai_path("/v10/x")
    body = answer_problem("/x", 404, "gone").body
    assert b'"type":"about:blank"' in body


async def test_a_field_that_does_not_fit_is_named_but_not_repeated(refunds, auth, client_of):
    from concertmaster.serving.app import create_app

    async with client_of(create_app(refunds, auth=auth), "ana") as ana:
        answer = await ana.post(
            "/api/v1/workflows/refunds/runs", json={"text": {"secret": "4111"}, "more": "4111"}
        )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert {each["where"] for each in problem["errors"]} == {"body.text", "body.more"}
    assert "4111" not in answer.text
