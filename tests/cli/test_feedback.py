import json

import pytest

INTENTS = """\
intents:
  - name: refund  # money back
    owner: ops
    utterances:
      - Refund my order
      - Pay me back
      - money back
  - name: hours
    owner: ops
    utterances:
      - When do you open?
      - Opening hours?
      - Are you open?
"""


@pytest.fixture
def run(cli, workspace):
    (workspace / "intents.yaml").write_text(INTENTS)
    people = (workspace / "principals.yaml").read_text()
    extra = "  - {id: boss, roles: [ops]}\n"
    (workspace / "principals.yaml").write_text(people.rstrip() + "\n" + extra)
    said = cli(
        "run", workspace, "refund 20 euros for order 1042", "--as", "ana", "--draft", "--json"
    )
    return json.loads(said.stdout)["run"]


def given(cli, run):
    said = cli(
        "feedback", "add", run, "down", "--as", "ana", "--intent", "refund", "--draft", "--json"
    )
    return json.loads(said.stdout)["id"]


def test_feedback_is_given_listed_shown_and_accepted(cli, workspace, run):
    id_ = given(cli, run)
    listed = json.loads(cli("feedback", "list", "--status", "open", "--json").stdout)
    assert [f["id"] for f in listed] == [id_]
    assert id_ in cli("feedback", "list").stdout
    review = ("feedback", "review", workspace, "--as", "boss", "--draft")
    (shown,) = json.loads(cli(*review, "--json").stdout)
    assert shown["adds"][0] == {
        "file": "intents.yaml",
        "line": '- "refund 20 euros for order 1042"',
    }
    assert (workspace / "intents.yaml").read_text() == INTENTS
    (done,) = json.loads(cli(*review, "--accept", id_, "--json").stdout)
    assert (done["status"], done["reviewer"]) == ("accepted", "boss")
    assert (
        '- "refund 20 euros for order 1042"\n  - name: hours'
        in (workspace / "intents.yaml").read_text()
    )


def test_who_is_no_reviewer_changes_nothing(cli, workspace, run):
    id_ = given(cli, run)
    refused = cli("feedback", "review", workspace, "--as", "ana", "--draft", "--accept", id_)
    assert refused.exit_code != 0
    assert (workspace / "intents.yaml").read_text() == INTENTS


def test_reviewer_is_asked_and_may_edit_first(cli, workspace, run):
    given(cli, run)
    answers = "e\nrefund my lamp\nrefund\n\n\na\n"
    cli("feedback", "review", workspace, "--as", "boss", "--draft", given=answers)
    assert '- "refund my lamp"' in (workspace / "intents.yaml").read_text()


def test_status_that_there_is_not_is_an_error(cli, run):
    assert cli("feedback", "list", "--status", "nice").exit_code == 2
