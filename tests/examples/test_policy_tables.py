"""The samples' policies decide as their tables of calls say, every one of them somewhere."""

from pathlib import Path

import pytest

from concertmaster.cli.policies import checked, opened
from concertmaster.cli.tables import run_tables

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ROWS = {
    "knowledge_assistant": 6,
    "loan_application": 15,
    "software_delivery": 15,
    "support_desk": 40,
}
"""The samples with policies, and how many rows their tables have at least."""


@pytest.mark.parametrize("name", ROWS)
def test_policies_decide_as_their_tables_say(name: str):
    ran = run_tables(opened(EXAMPLES / name), [], None)
    assert [str(problem) for problem in ran.problems] == []
    assert {p.result.row.name: p.result.differences for p in ran.failed} == {}
    assert [p.result.row.name for p in ran.remarked] == []
    assert [policy.id for policy in ran.unused or ()] == []
    assert len(ran.rows) >= ROWS[name]
    assert all(p.result.explanation.decision.reasons for p in ran.rows)


@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_found_in_the_policies(name: str):
    assert [(f.place, f.message) for f in checked(EXAMPLES / name, None).found] == []
