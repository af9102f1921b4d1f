"""The routes answer what their description says, to whatever arrives. Cases by Schemathesis."""

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode
from tests.serving.probing import CHECKS, DRAWN


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

    @settings(DRAWN, max_examples=15)
    @given(case=cases)
    def probe(case) -> None:
        # Made-up names are of no workflow; half of the cases are about one.
        name = case.body.get("model") if isinstance(case.body, dict) else None
        if isinstance(name, str) and len(name) % 2 == 0:
            case.body["model"] = "refunds"
        headers = {"Authorization": "Bearer ana-token"}
        statuses.add(case.call_and_validate(checks=list(CHECKS), headers=headers).status_code)

    probe()
    return statuses
