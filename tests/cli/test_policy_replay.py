"""`concertmaster policy replay`: the calls of the past under other policies."""

import sqlite3
from datetime import timedelta

import pytest

from concertmaster.contracts import now
from concertmaster.orchestrator.home import DATABASE, base_dir
from concertmaster.orchestrator.retention import passes

STRICT = """
@id("orders.read")
permit (principal, action == Action::"get_order", resource);

@id("refunds.all") @reason("every refund goes to a manager") @obligation("review:ops")
permit (principal, action == Action::"refund", resource)
when { context.args.amount_cents <= 90000 };

@id("refunds.none") @reason("no refund over 60.00")
forbid (principal, action == Action::"refund", resource)
when { context.args.amount_cents > 6000 };
"""


@pytest.fixture
def strict(tmp_path):
    folder = tmp_path / "strict"
    folder.mkdir()
    (folder / "refunds.cedar").write_text(STRICT)
    return folder


@pytest.fixture
def recorded(workspace, ask):
    """A small refund that was paid, a larger one that was approved and paid, one refused."""
    small, _ = ask("run", workspace, "refund 20 euros for order 7", "--as", "ana", "-t", "t-1")
    large, _ = ask("run", workspace, "refund 80 euros for order 8", "--as", "ben", "-t", "t-2")
    ask("approvals", "approve", large["pending"][0]["id"], "--as", "li", "--reason", "seen")
    huge, _ = ask("run", workspace, "refund 2000 euros for order 9", "--as", "ana", "-t", "t-3")
    return small["run"], large["run"], huge["run"]


@pytest.fixture
def database(workspace):
    return base_dir() / "refunds" / DATABASE


def test_every_decision_is_reproduced_under_the_same_policies(recorded, workspace, ask):
    found, code = ask("policy", "replay", workspace, "--policies", workspace / "policies")
    assert code == 0
    assert found["changes"] == {"same": 6}
    assert found["check"]["decisions"] == found["decisions"]["exact"] > 6
    assert found["check"]["reproduced"] == found["check"]["decisions"]


def test_a_stricter_policy_shows_who_would_have_been_stopped_or_sent_to_whom(
    recorded, workspace, strict, ask
):
    small, large, _ = recorded
    found, code = ask("policy", "replay", workspace, "--policies", strict)
    assert code == 1
    assert found["changes"] == {"same": 4, "stopped": 1, "sent_to_person": 1}
    by_run = {call["run"]: call for call in found["calls"]}
    assert by_run[large]["change"] == "stopped"
    assert by_run[large]["effect"] is True
    assert by_run[large]["after"]["policies"] == ["refunds.none"]
    assert by_run[small]["change"] == "sent_to_person"
    assert by_run[small]["after"]["needs"] == ["ops"]
    assert found["by_tool"] == {"refund": {"stopped": 1, "sent_to_person": 1}}
    assert found["by_rule"] == {
        "refunds.all": {"sent_to_person": 1},
        "refunds.none": {"stopped": 1},
    }
    assert found["by_principal"] == {"ana": {"sent_to_person": 1}, "ben": {"stopped": 1}}


def test_the_difference_is_told_in_sentences(recorded, workspace, strict, cli):
    told = cli("policy", "replay", workspace, "--policies", strict).stdout
    assert "1 call would have been stopped" in told
    assert "now denied (refunds.none); it took effect" in told
    assert "now reviewed by ops (refunds.all)" in told
    assert "all reproduced" in told


def test_a_laxer_policy_lets_through(recorded, workspace, strict, ask):
    text = "permit (principal, action, resource);"
    (strict / "refunds.cedar").write_text(f'@id("all") {text}')
    found, _ = ask("policy", "replay", workspace, "--policies", strict)
    # That a rule has another name changes nothing for whoever asked.
    assert found["changes"] == {"same": 4, "let_through": 2}


def test_nothing_of_the_home_changes_and_nothing_runs(recorded, workspace, strict, database, ask):
    before = list(_dump(database))
    ask("policy", "replay", workspace, "--policies", strict)
    assert list(_dump(database)) == before


def test_a_changed_basis_is_no_ground(recorded, workspace, strict, database, ask):
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE decision_bases SET basis = replace(basis, '\"ana\"', '\"eve\"')")
    connection.close()
    found, _ = ask("policy", "replay", workspace, "--policies", strict)
    assert sum(found["decisions"]["not_at_all"].values()) > 0
    assert {call["principal"] for call in found["calls"]} == {"ben"}


def test_changed_arguments_are_no_ground(recorded, workspace, strict, database, ask):
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE plans SET action = replace(action, '8000', '10')")
    connection.close()
    found, _ = ask("policy", "replay", workspace, "--policies", strict)
    assert found["decisions"]["not_at_all"] == {"its arguments are not kept any more": 2}
    assert "stopped" not in found["changes"]


def test_roles_count_as_they_were(recorded, workspace, strict, ask):
    (strict / "refunds.cedar").write_text(
        '@id("customers") permit (principal, action, resource)'
        ' when { principal.roles.contains("customer") };'
    )
    people = workspace / "principals.yaml"
    people.write_text(people.read_text().replace("customer", "former"))
    found, _ = ask("policy", "replay", workspace, "--policies", strict)
    assert "stopped" not in found["changes"]
    assert found["changes"]["let_through"] == 2


def test_a_tool_that_is_declared_otherwise_today_makes_it_approximate(
    recorded, workspace, strict, ask
):
    tools = workspace / "tools.py"
    text = tools.read_text().replace('effect="irreversible"', 'effect="write"')
    tools.write_text(text)
    found, _ = ask("policy", "replay", workspace, "--policies", strict)
    assert found["decisions"]["approximate"] == {"the tool's declaration has changed since": 5}
    # Those about the other tool are checked as ever.
    assert found["check"]["decisions"] == found["check"]["reproduced"] == 6


def test_erased_decisions_are_counted_not_guessed(recorded, workspace, strict, database, ask, cli):
    result = cli("audit", "erase", "t-2", "--as", "ben", "--why", "asked for", "-w", workspace)
    assert result.exit_code == 0, result.stderr
    found, _ = ask("policy", "replay", workspace, "--policies", strict)
    assert found["decisions"]["erased"] > 0
    assert found["by_principal"] == {"ana": {"sent_to_person": 1}}
    assert '"ben"' not in _bases(database)


def test_with_the_content_of_events_goes_what_their_decisions_rested_on(
    recorded, workspace, strict, database, ask, cli, monkeypatch
):
    assert '"ana"' in _bases(database)
    monkeypatch.setattr(passes, "now", lambda: now() + timedelta(days=60))
    cli("prune", workspace, "--older-than", "30d", "--only", "payloads")
    assert not _bases(database)
    found, code = ask("policy", "replay", workspace, "--policies", strict)
    assert (found["decisions"]["read"], code) == (0, 0)
    assert found["decisions"]["erased"] > 6


def test_decisions_of_earlier_releases_are_approximate_at_best(
    recorded, workspace, strict, database, ask
):
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TRIGGER audit_events_no_update")
        connection.execute(
            "UPDATE audit_events SET envelope = json_remove(envelope, '$.data.detail.basis')"
        )
        connection.execute("DROP TABLE decision_bases")
    connection.close()
    found, _ = ask("policy", "replay", workspace, "--policies", strict)
    assert found["decisions"]["exact"] == 0
    assert sum(found["decisions"]["approximate"].values()) == found["decisions"]["read"]
    assert found["changes"]["stopped"] == 1
    assert found["check"]["decisions"] == 0


def test_time_and_number_bound_what_is_read(recorded, workspace, ask):
    policies = workspace / "policies"
    tomorrow = now().date().replace(year=now().year + 1).isoformat()
    none, code = ask("policy", "replay", workspace, "--policies", policies, "--since", tomorrow)
    assert (none["decisions"]["read"], code) == (0, 0)
    some, _ = ask("policy", "replay", workspace, "--policies", policies, "--limit", 2)
    assert some["decisions"]["read"] == 2
    recent, _ = ask("policy", "replay", workspace, "--policies", policies, "--since", "1h")
    assert recent["recorded_calls"] == 6


def test_wrong_options_and_unsound_policies_are_named(recorded, workspace, strict, cli):
    wrong = cli("policy", "replay", workspace, "--policies", strict, "--since", "yesterday")
    assert wrong.exit_code == 2
    assert "neither an age nor a date" in wrong.stderr
    (strict / "refunds.cedar").write_text("permit (principal, action, resource) when {")
    unsound = cli("policy", "replay", workspace, "--policies", strict)
    assert unsound.exit_code == 3


def test_the_home_may_be_in_use(recorded, workspace, strict, ask):
    import asyncio

    import concertmaster as cm

    async def both():
        async with cm.open(workspace):
            return await asyncio.to_thread(ask, "policy", "replay", workspace, "--policies", strict)

    found, _ = asyncio.run(both())
    assert found["changes"]["stopped"] == 1


def _dump(database):
    connection = sqlite3.connect(database)
    try:
        yield from connection.iterdump()
    finally:
        connection.close()


def _bases(database):
    connection = sqlite3.connect(database)
    try:
        rows = connection.execute("SELECT basis FROM decision_bases").fetchall()
    finally:
        connection.close()
    return "".join(row[0] for row in rows)
