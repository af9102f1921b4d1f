"""Approvals that are overdue, and those that nobody can or will decide, are named."""

import pytest

import concertmaster as cm

PAST = "2026-01-01T00:00:00.000000+00:00"
REJECT = '{"seconds": 60.0, "then": "reject"}'


@pytest.fixture
async def waiting(workspace, home):
    """Return a run that waits for finance, in a home that is closed."""
    async with cm.open(workspace, home=home) as desk:
        return await desk.run("refund order 1042", principal="ana", thread="t")


@pytest.fixture
def change(by_hand):
    """Return what changes values of the approval's record."""

    def put(path: str, value: str) -> None:
        by_hand(f"UPDATE approvals SET record = json_set(record, '$.{path}', json(?))", value)

    return put


async def test_overdue_approval_is_named_until_it_is_swept(
    waiting, workspace, home, examined, change
):
    change("deadline", REJECT)
    change("due", f'"{PAST}"')
    found = await examined()
    assert set(found) == {"approval.overdue"}
    finding = found["approval.overdue"]
    assert (finding.severity, finding.id) == ("problem", waiting.pending[0].id)
    assert (finding.since, "is rejected" in finding.what) == (PAST, True)
    assert "approvals sweep" in finding.command
    async with cm.open(workspace, home=home, recover=False) as desk:
        await desk.sweep()
    assert await examined() == {}


async def test_overdue_approval_says_to_whom_it_goes(waiting, examined, change):
    change("deadline", '{"seconds": 60.0, "then": "escalate:manager"}')
    change("due", f'"{PAST}"')
    assert "it goes to manager" in (await examined())["approval.overdue"].what


async def test_claim_that_is_over_is_named(waiting, workspace, home, examined, change):
    async with cm.open(workspace, home=home) as desk:
        await desk.claim(waiting.pending[0].id, principal="mo")
    assert await examined() == {}
    change("claims[0].until", f'"{PAST}"')
    found = await examined()
    assert set(found) == {"approval.claim_over"}
    assert found["approval.claim_over"].severity == "attention"
    assert found["approval.claim_over"].since == PAST


@pytest.mark.parametrize(
    ("people", "told"),
    [
        ("- {id: ana, roles: [customer]}", "nobody in principals.yaml"),
        ("- {id: ana, roles: [customer, finance]}", "nobody in principals.yaml"),
    ],
)
async def test_role_that_nobody_known_has(waiting, workspace, examined, people, told):
    (workspace / "principals.yaml").write_text(f"principals:\n  {people}\n")
    found = await examined()
    assert set(found) == {"approval.no_reviewer"}
    finding = found["approval.no_reviewer"]
    assert finding.severity == "problem"
    assert "the role finance" in finding.what
    assert told in finding.what
    assert f"runs cancel {waiting.id} --as ana" in finding.command


async def test_more_people_are_needed_than_have_the_role(waiting, examined, change):
    change("needs", '[{"role": "finance", "count": 3}]')
    finding = (await examined())["approval.no_reviewer"]
    assert "only 2 of 3 people" in finding.what


async def test_host_that_declares_nobody_may_know_people(waiting, workspace, examined):
    (workspace / "principals.yaml").write_text("principals: []\n")
    assert await examined() == {}


async def test_approval_of_a_run_that_is_gone(waiting, examined, by_hand):
    by_hand("DELETE FROM runs")
    found = await examined()
    assert {"approval.no_run", "run.missing"} <= set(found)
    assert found["approval.no_run"].id == waiting.pending[0].id
    assert waiting.id in found["approval.no_run"].what


async def test_approval_of_a_run_that_ended_can_be_closed(
    waiting, workspace, home, examined, by_hand
):
    by_hand(
        "UPDATE runs SET status = 'failed', record = json_set(record, '$.status', 'failed',"
        " '$.outcome', json('{\"status\": \"failed\"}'))"
    )
    found = await examined()
    assert set(found) == {"approval.run_ended", "run.ending"}
    assert "has ended as failed" in found["approval.run_ended"].what
    id_ = waiting.pending[0].id
    assert f"approvals reject {id_}" in found["approval.run_ended"].command
    async with cm.open(workspace, home=home, recover=False) as desk:
        await desk.decide(id_, cm.Reject(reason="its run has ended"), principal="li")
    assert set(await examined()) == {"run.ending"}


async def test_approval_that_was_changed_by_hand(waiting, examined, change):
    change("action.arguments.amount_cents", "1")
    found = await examined()
    assert set(found) == {"approval.changed"}
    assert "digest does not match" in found["approval.changed"].what


async def test_approval_that_is_none_hides_no_other(waiting, workspace, home, examined, by_hand):
    by_hand("UPDATE approvals SET record = json_remove(record, '$.digest')")
    async with cm.open(workspace, home=home, recover=False) as desk:
        other = await desk.run("refund order 7", principal="ana", thread="other")
    by_hand("UPDATE approvals SET record = json_set(record, '$.action.tool', 'x')"
            " WHERE id = ?", other.pending[0].id)  # fmt: skip
    found = await examined()
    assert set(found) == {"approval.unreadable", "approval.changed"}
    assert found["approval.unreadable"].id == waiting.pending[0].id
    assert found["approval.unreadable"].kind == "approval"
