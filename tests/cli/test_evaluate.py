"""`concertmaster evaluate`: for CI and for people."""

import json
import os
import re
import shutil

import pytest

CASES = [
    {
        "id": "small",
        "principal": "ana",
        "messages": ["refund 20 euros for order 1042"],
        "tags": ["money"],
        "expected": {"status": "answered", "effects": ["refund"], "reviewers": []},
    },
    {
        "id": "large",
        "principal": "ana",
        "messages": ["refund 80 euros for order 1042"],
        "reviewer": [{"as": "li", "answer": "approve"}],
        "expected": {"status": "answered", "effects": ["refund"], "reviewers": ["finance"]},
    },
]


@pytest.fixture
def cases(workspace):
    file = workspace / "cases.jsonl"
    file.write_text("".join(json.dumps(case) + "\n" for case in CASES))
    return file


def test_table_fits_80_columns_and_the_exit_code_is_zero(workspace, cases, cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = cli("evaluate", workspace, "--dataset", cases)
    assert result.exit_code == 0, result.stdout + result.stderr
    assert "2 of 2 cases passed" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "✓ small" in result.stderr


def test_failing_case_is_explained_and_exits_with_one(workspace, cases, cli):
    wrong = {**CASES[0], "id": "wrong", "expected": {"status": "refused"}}
    cases.write_text(json.dumps(wrong) + "\n")
    result = cli("evaluate", workspace, "--dataset", cases)
    assert result.exit_code == 1
    assert "outcome: ended as answered instead of refused" in result.stdout


def test_planted_regression_of_a_policy_exits_with_one(workspace, cases, ask, tmp_path):
    baseline = tmp_path / "baseline.json"
    given = ("evaluate", workspace, "--dataset", cases)
    _, code = ask(*given, "--save-baseline", baseline)
    assert code == 0
    told, code = ask(*given, "--baseline", baseline)
    assert (code, told["comparison"]["regressions"]) == (0, [])

    policy = workspace / "policies" / "refunds.cedar"
    policy.write_text(policy.read_text().replace("5000", "9000"))
    told, code = ask(*given, "--baseline", baseline)
    assert code == 1
    assert told["comparison"]["newly_failing"] == ["large"]
    assert "asked nobody instead of finance" in told["results"][1]["reasons"][0]
    told, code = ask(*given, "--baseline", baseline, "--tolerance", "0.6")
    assert (code, told["holds"]) == (0, True)


def test_dataset_that_names_nobody_known_is_refused_before_anything_runs(workspace, cases, cli):
    cases.write_text(json.dumps({**CASES[0], "principal": "anna"}) + "\n")
    result = cli("evaluate", workspace, "--dataset", cases)
    assert result.exit_code == 2
    assert "cases.jsonl:1" in result.stderr
    assert "did you mean 'ana'?" in result.stderr


def test_report_filter_and_parallel(workspace, cases, ask, tmp_path):
    report = tmp_path / "report.html"
    told, code = ask(
        "evaluate", workspace, "--dataset", cases, "--filter", "money", "--report", report, "-p", 2
    )
    assert (code, [r["id"] for r in told["results"]]) == (0, ["small"])
    assert "<svg" in report.read_text()


def test_ctrl_c_prints_what_there_is(workspace, cases, interrupted):
    many = [{**CASES[0], "id": f"c{n}"} for n in range(400)]
    cases.write_text("".join(json.dumps(case) + "\n" for case in many))
    code, output = interrupted("evaluate", workspace, "--dataset", cases, after="✓ c1")
    assert code == 130
    played = re.search(r"(\d+) of 400 cases were played", output)
    assert played, output
    assert 1 <= int(played[1]) < 400


def test_nothing_is_sent_to_langsmith_whatever_the_environment_says(workspace, cases, process):
    from concertmaster.testing import langsmith_server

    with langsmith_server() as server:
        os.environ.update(server.environment)
        try:
            result = process("evaluate", workspace, "--dataset", cases, "--json")
        finally:
            for name in server.environment:
                del os.environ[name]
    told = json.loads(result.stdout)
    assert (result.returncode, told["refused_connections"]) == (0, {}), result.stderr
    assert server.requests == ()


def test_tool_that_connects_elsewhere_is_refused_and_named(workspace, cases, process):
    """In a process of its own: what the tests close themselves does not come before it."""
    tools = workspace / "tools.py"
    reach = "import socket\n    socket.create_connection(('192.0.2.1', 443), timeout=1)"
    tools.write_text(
        tools.read_text().replace('    "Look an order up', f'    {reach}\n    "Look an order up')
    )
    result = process("evaluate", workspace, "--dataset", cases, "--json")
    told = json.loads(result.stdout)
    assert result.returncode == 1
    assert told["refused_connections"] == {"192.0.2.1": 2}
    assert told["passed"] == 0


def test_schema_of_a_case_is_printed(ask, cli):
    schema = json.loads(cli("schema", "evaluation").stdout)
    assert set(schema["required"]) == {"id", "principal", "messages"}


@pytest.mark.parametrize(
    ("file", "was", "becomes", "tag"),
    [
        ("policies/money.cedar", "refunded_cents > 5000", "refunded_cents > 50000", "interrupt"),
        ("workflow.yaml", "owner: front-desk, why", "owner: logistics, why", "out-of-scope"),
    ],
)
def test_broken_policy_or_route_of_the_sample_fails_its_evaluation(
    root, ask, tmp_path, file, was, becomes, tag
):
    folder = tmp_path / "support_desk"
    shutil.copytree(root / "examples" / "support_desk", folder)
    place = folder / file
    assert was in place.read_text()
    place.write_text(place.read_text().replace(was, becomes))
    told, code = ask(
        "evaluate", folder, "--dataset", folder / "evaluation" / "cases.jsonl",
        "--baseline", folder / "evaluation" / "baseline.json", "--filter", tag,
    )  # fmt: skip
    assert code == 1
    assert told["comparison"]["newly_failing"]


def test_sample_holds_beside_its_baseline(root, ask):
    folder = root / "examples" / "support_desk"
    told, code = ask(
        "evaluate", folder, "--dataset", folder / "evaluation" / "cases.jsonl",
        "--baseline", folder / "evaluation" / "baseline.json",
    )  # fmt: skip
    assert (code, told["findings"]) == (0, [])
    assert told["played"] >= 60
    assert told["failed"] == []
    assert told["refused_connections"] == {}
