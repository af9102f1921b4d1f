import json


def test_ready_workspace_passes(cli, workspace):
    result = cli("check", workspace)
    assert result.exit_code == 0, result.stdout
    assert "ready" in result.stderr


def test_findings_have_file_line_and_hint(cli, ask, workspace):
    file = workspace / "workflow.yaml"
    file.write_text(file.read_text().replace("\nroutes:", "\nrutes:"))
    result = cli("check", workspace)
    line = file.read_text().splitlines().index("rutes:") + 1
    assert result.exit_code == 1
    assert f"workflow.yaml:{line}: error: " in result.stdout
    assert "did you mean 'routes'?" in result.stdout
    found, code = ask("check", workspace)
    assert (found["ready"], code) == (False, 1)
    assert {p["severity"] for p in found["problems"]} == {"error"}
    assert line in {p["line"] for p in found["problems"]}


def test_broken_yaml_is_a_finding(cli, workspace):
    (workspace / "workflow.yaml").write_text("workflow: [1\nowner: ops")
    result = cli("check", workspace)
    assert result.exit_code == 1
    assert "workflow.yaml:" in result.stdout


def test_workspace_that_is_not_there(cli, ask, tmp_path):
    assert cli("check", tmp_path / "nowhere").exit_code == 1
    found, code = ask("run", tmp_path / "nowhere", "hello", "--as", "ana")
    assert code == 3
    assert found["error"]["code"] == "CM110"


def test_workspace_that_is_not_ready_runs_as_a_draft_only(cli, ask, workspace):
    file = workspace / "workflow.yaml"
    file.write_text(file.read_text().replace("    success_metric: {name: critic_done", "    #"))
    refused = cli("run", workspace, "refund 20 euros for order 1", "--as", "ana")
    assert refused.exit_code == 3
    assert "--draft" in refused.stderr
    run, code = ask("run", workspace, "refund 20 euros for order 1", "--as", "ana", "--draft")
    assert (run["status"], code) == ("answered", 0)


def test_schema_of_each_file_and_of_all(cli):
    for part in ("workflow", "intents", "playbooks", "principals"):
        schema = json.loads(cli("schema", part).stdout)
        assert schema["title"] == f"{part}.yaml"
    assert "workflow" in json.loads(cli("schema").stdout)["$defs"]
    assert cli("schema", "policy").exit_code == 2


def test_new_workspace_is_ready_and_nothing_is_written_over(cli, ask, tmp_path):
    made, code = ask("init", tmp_path / "my_loans", "--from", "loan_application")
    assert code == 0
    assert made["workspace"] == str(tmp_path / "my_loans")
    assert cli("check", tmp_path / "my_loans").exit_code == 0
    assert "workflow: my_loans" in (tmp_path / "my_loans/workflow.yaml").read_text()
    assert cli("init", tmp_path / "my_loans").exit_code == 2


def test_unknown_template_is_named_with_a_suggestion(cli, tmp_path):
    result = cli("init", tmp_path / "x", "--from", "suport_desk")
    assert result.exit_code == 2
    assert "support_desk" in result.stderr
    assert not (tmp_path / "x").exists()
