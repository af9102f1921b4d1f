"""`concertmaster prune`, and how a run is told of which retention has removed something."""

import json
from datetime import timedelta

import pytest

from concertmaster.contracts import now
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.errors import ConfigError
from concertmaster.orchestrator.retention import passes
from concertmaster.orchestrator.retention.asked import asked

SMALL = "refund 20 euros for order 7"


@pytest.fixture
def later(monkeypatch):
    def move(days):
        monkeypatch.setattr(passes, "now", lambda: now() + timedelta(days=days))

    return move


@pytest.fixture
def declare(workspace):
    def write(text):
        path = workspace / "workflow.yaml"
        path.write_text(f"{path.read_text()}{text}\n")

    return write


@pytest.fixture
def told(ask, workspace):
    """Have a message answered and return its run's id."""

    def say(thread="t", text=SMALL):
        return ask("run", workspace, text, "--as", "ana", "--thread", thread)[0]["run"]

    return say


def test_dry_run_says_what_goes_before_it_goes(cli, ask, workspace, declare, told, later):
    declare("retention: {threads: {after: 90d}}")
    told()
    later(91)
    seen = cli("prune", workspace, "--dry-run")
    assert (seen.exit_code, "nothing was changed" in seen.stderr) == (0, True)
    assert "threads" in seen.stdout
    assert "threads.after: 90d" in seen.stdout
    assert len(ask("threads", "list")[0]) == 1
    done, code = ask("prune", workspace)
    (home,) = done
    assert (code, home["number"], home["pruned"][0]["what"]) == (0, 1, "threads")
    assert home["dry_run"] is False
    assert ask("threads", "list")[0] == []
    assert ask("audit", "verify")[1] == 0


def test_nothing_declared_removes_nothing_and_says_how(cli, ask, workspace, told, later):
    told()
    later(3650)
    result = cli("prune")
    assert result.exit_code == 0
    assert "nothing is bounded" in result.stderr
    assert len(ask("threads", "list")[0]) == 1


def test_bounds_given_with_the_command_are_told_in_the_trail(cli, ask, workspace, told, later):
    told("a")
    later(31)
    done, code = ask("prune", workspace, "--older-than", "30d", "--keep", "3")
    assert code == 0
    assert {p["what"]: p["number"] for p in done[0]["pruned"]} == {"threads": 1, "checkpoints": 0}
    events = ask("audit", "show", "--type", "retention.pruned")[0]
    assert [e["data"]["rule"] for e in events] == ["threads.after: 30d, given on the command line"]
    assert ask("audit", "show", "--type", "run.ended")[0]  # The trail is not touched unless named.


def test_home_whose_workspace_is_gone_can_be_pruned(ask, workspace, told, later):
    told()
    workspace.rename(workspace.with_name("elsewhere"))
    later(31)
    assert ask("prune")[1] == 3
    done, code = ask("prune", "--older-than", "30d")
    assert (code, done[0]["number"]) == (0, 1)


def test_workspace_that_is_not_ready_is_pruned_all_the_same(ask, workspace, declare, told, later):
    declare("retention: {threads: {after: 30d}}")
    told()
    (workspace / "tools.py").write_text("this is no python")
    later(31)
    done, code = ask("prune", workspace)
    assert (code, done[0]["number"]) == (0, 1)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--older-than", "30"], 2),
        (["--older-than", "soon"], 2),
        (["--only", "everything"], 2),
        (["--only", "payloads"], 2),
        (["--keep", "0"], 2),
    ],
)
def test_bounds_that_make_no_sense_are_refused(cli, workspace, told, options, code):
    told()
    result = cli("prune", workspace, *options)
    assert result.exit_code == code
    assert "Traceback" not in result.stderr


def test_section_that_cannot_be_read_is_an_error_with_its_line(cli, workspace, declare, told):
    told()
    declare("retention:\n  threads: {after: 90}")
    line = len((workspace / "workflow.yaml").read_text().splitlines())
    result = cli("prune", workspace)
    assert result.exit_code == 3
    assert f"workflow.yaml:{line}: error" in result.stderr


def test_run_whose_details_are_gone_is_told_in_words(cli, ask, workspace, declare, told, later):
    declare("retention: {payloads: {after: 30d}, threads: {after: 90d}}")
    run = told()
    later(31)
    ask("prune", workspace)
    said = " ".join(cli("audit", "why", run).stdout.split())
    day = f"{now().day} {now():%B %Y}"
    assert "The details that the trail had of this run were removed by retention" in said
    assert f"on {day} (payloads.after: 30d)." in said
    assert ask("runs", "list", "--status", "all")[0][0]["id"] == run
    later(91)
    ask("prune", workspace)
    said = " ".join(cli("audit", "why", run).stdout.split())
    assert "The run itself, with its message, its answer and its results, was removed" in said
    assert "(threads.after: 90d)" in said
    assert ask("runs", "list", "--status", "all")[0] == []
    missing = cli("threads", "show", "t")
    assert missing.exit_code == 2
    assert "thread 't' was removed by retention" in missing.stderr
    assert cli("audit", "why", "run-none").exit_code == 2


def test_run_of_a_pruned_thread_is_told_from_the_trail(cli, ask, workspace, declare, told, later):
    declare("retention: {threads: {after: 30d}}")
    run = told()
    later(31)
    ask("prune", workspace)
    sentences, code = ask("audit", "why", run)
    assert code == 0
    assert len(sentences) > 4
    assert "its text is not kept any more" in sentences[0]["text"]
    event = sentences[-1]["event"]
    events = ask("audit", "show", "--type", "retention.pruned")[0]
    assert [e["id"] for e in events] == [event]
    assert json.dumps(sentences).count(SMALL) == 0


def test_late_decision_is_told_that_the_approval_is_gone(cli, ask, workspace, waiting, later):
    _, id_ = waiting
    assert ask("prune", workspace, "--older-than", "1s")[0][0]["number"] == 0
    later(31)
    ask("prune", workspace, "--older-than", "30d")
    assert ask("approvals", "show", id_)[0]["status"] == "pending"
    assert cli("approvals", "reject", id_, "--as", "li", "--reason", "no").exit_code == 0
    later(62)
    ask("prune", workspace, "--older-than", "30d")
    late = cli("approvals", "approve", id_, "--as", "li")
    assert late.exit_code == 2
    assert f"approval '{id_}' was settled, and removed by retention" in late.stderr


def test_bounds_asked_for_stand_in_place_of_those_declared():
    spec = RetentionSpec(threads={"after": "90d", "most": 5}, runs={"per_thread": 9})
    assert asked(spec) == spec
    bounds = asked(spec, older_than="1d", keep=2)
    assert (bounds.threads.after, bounds.threads.most) == (86400, 5)
    assert (bounds.runs.after, bounds.runs.per_thread) == (86400, 2)
    assert asked(spec, only=("runs",)).declared == ("runs",)
    assert asked(RetentionSpec()).declared == ()
    assert asked(RetentionSpec(), keep=2).declared == ("checkpoints",)
    with pytest.raises(ConfigError, match="nothing says how long payloads are kept"):
        asked(spec, only=("payloads",), keep=2)
