"""`concertmaster policy`: check, explain and test, as a policy writer uses them."""

import json

import pytest

TABLE = """
tests:
  - name: a small refund
    tool: refund
    principal: ana
    arguments: {order_id: 1, amount_cents: 100}
    said: refund 1 euro for order 1
    origins: {order_id: principal}
    expect: allow
    policies: [refunds.small]
  - name: a large refund
    tool: refund
    principal: ana
    arguments: {order_id: 1, amount_cents: 6000}
    expect: review
    needs: [finance]
  - name: orders are looked up
    tool: get_order
    principal: ana
    arguments: {order_id: 1}
    expect: allow
"""
CALL = {
    "tool": "refund",
    "principal": "ana",
    "arguments": {"order_id": 1, "amount_cents": 95000},
    "said": "refund order 1",
}
FACTS = """
from typing_extensions import TypedDict

class Facts(TypedDict):
    owner: str

def owner_of(arguments, ctx) -> Facts:
    if arguments["order_id"] == 404:
        raise LookupError("no such order")
    return {"owner": (ctx.data_dir / "owner").read_text()}

def setup(data_dir):
    (data_dir / "owner").write_text("ana")
"""


@pytest.fixture
def table(workspace):
    """Return the workspace's table of tests."""
    file = workspace / "policies" / "tests.yaml"
    file.write_text(TABLE)
    return file


@pytest.fixture
def with_facts(workspace):
    """Give the refunds a resolver of facts, and a policy that looks at them."""
    tools = workspace / "tools.py"
    old = '@declare(effect="irreversible", label="internal")\ndef refund'
    new = old.replace('label="internal"', 'label="internal", facts=owner_of')
    assert old in tools.read_text()
    tools.write_text(FACTS + tools.read_text().replace(old, new))
    rules = workspace / "policies" / "refunds.cedar"
    rules.write_text(
        rules.read_text() + '\n@id("own") forbid (principal, action == Action::"refund", resource)'
        " unless { context.facts.owner == principal.id };\n"
    )
    return workspace


# check


def test_sound_policies_are_counted_and_named(cli, ask, workspace):
    result = cli("policy", "check", workspace)
    assert result.exit_code == 0
    assert "3: 3 permits, 0 forbids in 1 file" in result.stdout
    assert "2 of 2" in result.stdout
    found, code = ask("policy", "check", workspace)
    assert (found["sound"], code) == (True, 0)
    assert found["bundle"] in result.stdout
    assert found["bundle"].startswith("sha256:")
    assert found["tools"]["get_order"] == ["orders.read"]
    assert found["policies"][0]["id"] == "orders.read"


def test_error_has_its_place_and_what_was_meant(cli, ask, workspace):
    file = workspace / "policies" / "refunds.cedar"
    file.write_text(file.read_text().replace('"get_order"', '"get_oder"'))
    result = cli("policy", "check", workspace)
    assert result.exit_code == 1
    assert "refunds.cedar:3:39: error: " in result.stdout
    assert "did you mean 'get_order'?" in result.stdout
    found, code = ask("policy", "check", workspace)
    assert (found["sound"], found["bundle"], code) == (False, None, 1)


def test_warnings_alone_leave_the_exit_code(cli, workspace):
    file = workspace / "policies" / "refunds.cedar"
    more = (
        '\n@id("moved") forbid (principal, action == Action::"refund", resource)'
        ' when { context.history.thread.done.contains("get_oder") };'
    )
    file.write_text(file.read_text() + more)
    result = cli("policy", "check", workspace)
    assert result.exit_code == 0
    assert "warning: context.history.thread.done is never 'get_oder'" in result.stdout
    assert "1 warning" in result.stderr


def test_folder_of_policies_needs_its_tools(cli, workspace, tmp_path):
    bare = tmp_path / "bare"
    (workspace / "policies").rename(bare)
    refused = cli("policy", "check", bare)
    assert refused.exit_code == 2
    assert "--tools" in refused.stderr
    assert cli("policy", "check", bare, "--tools", workspace / "tools.py").exit_code == 0
    assert cli("policy", "check", bare, "--tools", workspace).exit_code == 0
    missing = cli("policy", "check", bare, "--tools", "no_such.module")
    assert missing.exit_code == 2
    assert "cannot be imported" in missing.stderr
    assert cli("policy", "check", bare, "--tools", tmp_path / "none.py").exit_code == 2


def test_tools_are_imported_from_a_module(cli, workspace, tmp_path, monkeypatch):
    (tmp_path / "my_tools_module.py").write_text((workspace / "tools.py").read_text())
    monkeypatch.chdir(tmp_path)
    checked = cli("policy", "check", workspace / "policies", "--tools", "my_tools_module")
    assert checked.exit_code == 0
    assert "2 of 2" in checked.stdout


def test_folder_of_a_workspaces_policies_is_checked_with_it(cli, workspace):
    assert cli("policy", "check", workspace / "policies").exit_code == 0


def test_tools_that_cannot_be_imported_are_the_finding(cli, workspace):
    (workspace / "tools.py").write_text("import no_such_thing_at_all\n")
    result = cli("policy", "check", workspace)
    assert result.exit_code == 1
    assert "tools.py:1: error: " in result.stdout
    assert "unrecognized" not in result.stdout


@pytest.mark.parametrize("command", ["check", "test"])
def test_path_that_is_wrong_is_told(cli, tmp_path, command):
    result = cli("policy", command, tmp_path / "nowhere")
    assert result.exit_code in {2, 3}
    assert "nowhere" in result.stderr


def test_bare_folder_is_explained_and_tested_with_its_tools(ask, cli, workspace, table, tmp_path):
    bare = tmp_path / "bare"
    (workspace / "policies").rename(bare)
    (bare / "tests.yaml").write_text(TABLE.replace("principal: ana", "principal: {id: ana}"))
    ran, code = ask("policy", "test", bare, "--tools", workspace / "tools.py", "--strict")
    assert (ran["passed"], code) == (True, 0)
    who = {"id": "ana", "roles": ["customer"]}
    given = json.dumps(CALL | {"principal": who})
    found, code = ask("policy", "explain", bare, "--tools", workspace, "--call", given)
    assert (found["decision"]["kind"], found["step"], code) == ("deny", "agent", 0)
    named = cli("policy", "explain", bare, "--tools", workspace, "--call", json.dumps(CALL))
    assert named.exit_code == 2
    assert "{id: ana, roles: […]}" in named.stderr
    assert cli("policy", "test", bare).exit_code == 2
    both = cli("policy", "test", workspace, "--tools", workspace)
    assert both.exit_code == 2
    assert "has its own tools" in both.stderr


# explain


def explain(ask, workspace, *more, **changes):
    return ask("policy", "explain", workspace, "--call", json.dumps(CALL | changes), *more)


def test_denial_is_explained_by_what_did_not_hold(cli, workspace):
    result = cli("policy", "explain", workspace, "--call", json.dumps(CALL))
    assert result.exit_code == 0
    out = result.stdout
    assert out.startswith("deny  refund for ana")
    assert "no policy permits this call of refund" in out
    assert "refunds.cedar:9" in out
    assert "when context.args.amount_cents <= 90000  does not hold" in out
    assert "context.args.amount_cents = 95000" in out
    assert "stands in the principal's own words (message 1)" in out
    assert "stands nowhere" in out


def test_explanation_as_json_holds_everything(ask, workspace):
    found, code = explain(ask, workspace)
    assert code == 0
    assert found["decision"]["kind"] == "deny"
    assert found["seen"]["args"] == CALL["arguments"]
    large = next(r for r in found["rules"] if r["id"] == "refunds.large")
    assert (large["standing"], large["obligations"]) == ("did not match", ["review:finance"])
    assert [c["fits"] for c in large["conditions"]] == [True, False]
    assert {o["argument"]: o["origin"] for o in found["origins"]} == {
        "order_id": "principal",
        "amount_cents": "composed",
    }


def test_call_is_read_from_a_file_and_from_standard_input(ask, workspace, tmp_path):
    file = tmp_path / "call.json"
    file.write_text(json.dumps(CALL))
    by_file, _ = ask("policy", "explain", workspace, "--call", file)
    by_input, _ = ask("policy", "explain", workspace, "--call", "-", given=json.dumps(CALL))
    assert by_file == by_input


def test_principal_may_be_a_whole_one(ask, workspace):
    who = {"id": "zoe", "roles": ["customer"]}
    found, _ = explain(ask, workspace, principal=who)
    assert found["principal"]["id"] == "zoe"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("this is no JSON", "line 1, column 1"),
        ('{"tool": "refund",', "line 1, column"),
        ("[1]", "mapping"),
        ('{"tool": "refund"}', "principal is missing"),
        ('{"tool": "refund", "principle": "ana", "principal": "ana"}', "did you mean"),
        ('{"tool": "a", "tool": "b", "principal": "ana"}', "twice"),
        ('{"tool": "refund", "principal": "anna"}', "anna"),
        ('{"tool": "refund", "principal": "ana", "step": "exector"}', "exector"),
        ('{"tool": "refund", "principal": "ana", "facts": {"x": 1}}', "no fact"),
        ("[" * 100_000, "nests too deeply"),
    ],
)
def test_call_that_makes_no_sense_is_refused(cli, workspace, given, told):
    result = cli("policy", "explain", workspace, "--call", "-", given=given)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not result.stdout


def test_unknown_tool_is_a_denial_with_a_suggestion(cli, workspace):
    result = cli("policy", "explain", workspace, "--call", json.dumps(CALL | {"tool": "refnd"}))
    assert result.exit_code == 0
    assert "there is no tool 'refnd'" in result.stdout
    assert "did you mean 'refund'?" in result.stderr


def test_missing_facts_are_asked_for(cli, ask, with_facts):
    result = cli("policy", "explain", with_facts, "--call", json.dumps(CALL))
    assert "The policies were not asked" in result.stdout
    assert "refund needs facts: owner" in result.stderr
    found, _ = explain(ask, with_facts, facts={"owner": "ben"})
    assert found["decision"]["policies"] == ["own"]


def test_facts_are_looked_up_when_asked_for(ask, with_facts):
    small = {"order_id": 1, "amount_cents": 100}
    found, code = explain(ask, with_facts, "--resolve", arguments=small)
    assert (found["decision"]["kind"], code) == ("allow", 0)
    assert found["seen"]["facts"] == {"owner": "ana"}
    other, _ = explain(ask, with_facts, "--resolve", arguments=small, principal="ben")
    assert other["decision"]["policies"] == ["own"]
    lost, code = explain(ask, with_facts, "--resolve", arguments=small | {"order_id": 404})
    assert (lost["decision"]["kind"], code) == ("deny", 0)
    assert "could not be had" in lost["decision"]["reasons"][0]
    _, code = explain(ask, with_facts, "--resolve", facts={"owner": "ana"})
    assert code == 2


def test_facts_come_from_the_home_where_there_is_one(ask, with_facts):
    run = ("run", with_facts, "refund 20 euros for order 1", "--as", "ana", "--draft")
    _, code = ask(*run)
    assert code == 0
    from concertmaster.cli.places import home_of

    (home_of(with_facts) / "data" / "owner").write_text("ben")
    small = {"order_id": 1, "amount_cents": 100}
    found, _ = explain(ask, with_facts, "--resolve", arguments=small)
    assert found["seen"]["facts"] == {"owner": "ben"}


# test


def test_table_that_fits_passes(cli, ask, workspace, table):
    result = cli("policy", "test", workspace)
    assert result.exit_code == 0, result.stdout
    assert "3 passed, 0 failed; 3 of 3 policies decided a row" in result.stdout
    found, code = ask("policy", "test", workspace)
    assert (found["passed"], found["undecided"], code) == (True, [], 0)
    assert [r["line"] for r in found["rows"]] == [3, 11, 17]


def test_failing_row_is_explained(cli, ask, workspace, table):
    table.write_text(TABLE.replace("expect: review\n    needs: [finance]", "expect: allow"))
    result = cli("policy", "test", workspace)
    assert result.exit_code == 1
    assert "tests.yaml:11: failed: a large refund" in result.stdout
    assert "decision: expected allow, got review" in result.stdout
    assert "when context.args.amount_cents <= 5000  does not hold" in result.stdout
    found, code = ask("policy", "test", workspace)
    assert (found["passed"], code) == (False, 1)
    failed = next(r for r in found["rows"] if not r["passed"])
    assert failed["differences"][0]["expected"] == "allow"
    assert failed["rules"]


def test_policy_that_decides_no_row_fails_only_when_strict(cli, workspace, table):
    table.write_text(TABLE[: TABLE.index("  - name: orders are looked up")])
    relaxed = cli("policy", "test", workspace)
    assert relaxed.exit_code == 0
    assert "orders.read decided no row" in relaxed.stdout
    assert "2 of 3 policies" in relaxed.stdout
    assert cli("policy", "test", workspace, "--strict").exit_code == 1


def test_row_that_passes_for_another_reason_is_told(cli, workspace, table):
    more = "  - {name: nothing, tool: refund, principal: ana, expect: deny}\n"
    table.write_text(TABLE + more)
    result = cli("policy", "test", workspace)
    assert result.exit_code == 0
    assert "passed, but denied before any policy was asked" in result.stdout
    assert cli("policy", "test", workspace, "--strict").exit_code == 1


def test_some_rows_are_chosen_by_name(ask, cli, workspace, table):
    found, code = ask("policy", "test", workspace, "-k", "Large")
    assert ([r["name"] for r in found["rows"]], code) == (["a large refund"], 0)
    assert found["undecided"] is None
    assert cli("policy", "test", workspace, "-k", "nothing like it").exit_code == 2


def test_tables_are_named_or_all_are_run(ask, cli, workspace, table):
    other = workspace / "policies" / "more_tests.yaml"
    other.write_text(TABLE)
    assert len(ask("policy", "test", workspace)[0]["rows"]) == 6
    assert len(ask("policy", "test", workspace, "more_tests.yaml")[0]["rows"]) == 3
    assert len(ask("policy", "test", workspace, other)[0]["rows"]) == 3
    missing = cli("policy", "test", workspace, "no.yaml")
    assert missing.exit_code == 2
    assert "more_tests.yaml, tests.yaml" in missing.stderr


def test_workspace_without_a_table_is_told(cli, workspace):
    result = cli("policy", "test", workspace)
    assert result.exit_code == 2
    assert "schema tests" in result.stderr


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("needs: [finance]", "need: [finance]", 16, "did you mean 'needs'?"),
        ("expect: review", "expect: revew", 15, "did you mean 'review'?"),
        ("tool: get_order", "tool: get_oder", 18, "did you mean 'get_order'?"),
        ("policies: [refunds.small]", "policies: [refund.small]", 10, "'refunds.small'"),
        ("name: a large refund", "name: a small refund", 11, "first in line 3"),
        ("principal: ana", "principal: [ana]", 5, "principal"),
        ("tests:", "test:", 2, "did you mean 'tests'?"),
        ("  - name: a large", " - name: a large", 11, "no valid YAML"),
    ],
)
def test_table_with_a_mistake_is_told_with_its_line(cli, workspace, table, old, new, line, told):
    table.write_text(TABLE.replace(old, new, 1))
    result = cli("policy", "test", workspace)
    assert result.exit_code == 1
    lines = [text for text in result.stdout.splitlines() if f"tests.yaml:{line}: error: " in text]
    assert any(told in text for text in lines), result.stdout


def test_unsound_policies_are_not_tested(cli, workspace, table):
    file = workspace / "policies" / "refunds.cedar"
    file.write_text(file.read_text().replace("amount_cents", "amount"))
    result = cli("policy", "test", workspace)
    assert result.exit_code == 3
    assert "refunds.cedar:" in result.stderr


def test_schema_of_tables_is_printed(cli):
    schema = json.loads(cli("schema", "tests").stdout)
    assert schema["title"] == "tests.yaml"
    assert "said" in schema["$defs"]["Row"]["properties"]
    assert "tests" in json.loads(cli("schema").stdout)["$defs"]
