"""The routes answer what their description says, to whatever arrives. Cases by Schemathesis."""

import threading
import time
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from concertmaster.serving.app import create_app
from concertmaster.serving.server import Server, bound
from concertmaster.serving.settings import Limits, Settings

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
MANY = 1_000_000


@pytest.fixture
def served(refunds_folder, refunds_home, auth) -> Iterator[str]:
    """Serve the small workspace in a thread; Schemathesis asks without an event loop."""
    generous = Limits(requests=MANY, runs=MANY, runs_each=MANY, streams_each=MANY, waiting=0.05)
    app = create_app(
        refunds_folder, auth=auth, settings=Settings(limits=generous), home=refunds_home
    )
    server, there = Server(app), bound("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [there]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{there.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


# Schemathesis draws what does not fit with `random`, which Hypothesis does not like to see.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_whatever_arrives_is_answered_as_described(served):
    described = schemathesis.openapi.from_url(f"{served}/openapi.json").include(path_regex="^/v1/")
    operations, statuses = [found.ok() for found in described.get_all_operations()], set()
    assert len(operations) >= 7
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            statuses |= _probed(operation.as_strategy(generation_mode=mode))
    assert {200, 400, 404} <= statuses


def _probed(cases) -> set[int]:
    statuses = set()

    @settings(
        max_examples=15,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def probe(case) -> None:
        # Made-up names are of no workflow; half of the cases are about one.
        name = case.body.get("model") if isinstance(case.body, dict) else None
        if isinstance(name, str) and len(name) % 2 == 0:
            case.body["model"] = "refunds"
        headers = {"Authorization": "Bearer ana-token"}
        statuses.add(case.call_and_validate(checks=CHECKS, headers=headers).status_code)

    probe()
    return statuses
