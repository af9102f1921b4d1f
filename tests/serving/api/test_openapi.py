"""The API answers what its description says, to whatever arrives. Cases by Schemathesis."""

import httpx
import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import response_headers_conformance
from tests.serving.probing import CHECKS, DRAWN

from concertmaster.serving.app import create_app

RUNS = "/api/v1/workflows/refunds/runs"
EXAMPLES = 9


@pytest.fixture
def known(served) -> dict[str, str]:
    """Return the ids of what is really there: a run that waits for finance."""
    answer = httpx.post(
        f"{served}{RUNS}?wait=10",
        json={"text": "refund order 1042", "thread_id": "t-1"},
        headers={"Authorization": "Bearer ana-token"},
    )
    url_of_run = answer.headers["location"]
    while not answer.json().get("pending"):
        answer = httpx.get(f"{served}{url_of_run}", headers={"Authorization": "Bearer ana-token"})
    run = answer.json()
    return {
        "workflow": "refunds",
        "run": run["id"],
        "thread": "t-1",
        "approval": run["pending"][0]["id"],
    }


@pytest.fixture
def described(served):
    """Return the API's part of the description."""
    return schemathesis.openapi.from_url(f"{served}/openapi.json").include(path_regex="^/api/v1/")


# Schemathesis draws what does not fit with `random`, which Hypothesis does not like to see.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("who", ["ana", "li"])
def test_whatever_arrives_is_answered_as_described(who, known, described):
    statuses = set()
    for found in described.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            statuses |= _probed(operation.as_strategy(generation_mode=mode), who, known)
    # It went beyond what is refused at the door.
    assert {200, 202, 404, 409, 422} <= statuses


def _probed(cases, who: str, known: dict[str, str]) -> set[int]:
    statuses, checks = set(), [*CHECKS, response_headers_conformance]

    @settings(DRAWN, max_examples=EXAMPLES)
    @given(case=cases, there=st.booleans())
    def probe(case, there) -> None:
        if there:
            # Random ids are of nothing; half of the cases are about something.
            case.path_parameters = {k: known[k] for k in case.path_parameters or {}}
        if (case.query or {}).get("until") == "end":
            case.query["until"] = "rest"  # The run waits for people, so the end never comes.
        headers = {"Authorization": f"Bearer {who}-token"}
        statuses.add(case.call_and_validate(checks=checks, headers=headers).status_code)

    probe()
    return statuses


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "TRACE"])
async def test_methods_that_are_not_described_are_refused(method, refunds, auth, client_of):
    app = create_app(refunds, auth=auth)
    paths = [path for path in app.openapi()["paths"] if path.startswith("/api/v1/")]
    assert len(paths) > 15
    async with client_of(app, "ana") as ana:
        for path in paths:
            answer = await ana.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 405, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["allow"]


def _operations(app):
    for path, operations in app.openapi()["paths"].items():
        if path.startswith("/api/v1/"):
            for method, operation in operations.items():
                yield method, path, operation


@pytest.mark.parametrize("shown", [None, "Bearer made-up", "Bearer ", "Basic YW5hOmFuYQ=="])
async def test_nothing_is_open_to_who_is_not_signed_in(shown, refunds, auth, client_of):
    app = create_app(refunds, auth=auth)
    headers = {"Authorization": shown} if shown else {}
    async with client_of(app) as nobody:
        for method, path, operation in _operations(app):
            assert {"bearer": []} in operation["security"], path
            body = {"json": {}} if method == "post" else {}
            answer = await nobody.request(method, path, headers=headers, **body)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_description_is_whole(refunds_folder, auth):
    app = create_app(refunds_folder, auth=auth)
    described = app.openapi()
    operations = [operation for _, _, operation in _operations(app)]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names) == 17
    for operation in operations:
        assert operation["description"] or operation["summary"]
        assert {"400", "401", "422", "429", "500", "503"} <= set(operation["responses"])
        for status, response in operation["responses"].items():
            kinds = set(response["content"])
            assert (kinds == {"application/problem+json"}) == (status[0] in "45")
    known = described["components"]["schemas"]
    for reference in _references(described):
        assert reference.removeprefix("#/components/schemas/") in known


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
