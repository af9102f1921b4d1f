import json
import re
import shutil

import pytest
import yaml

SCENES = """
- id: small
  title: A small refund
  principal: ana
  messages:
    - {text: refund 20 euros for order 1042, expect: answered, cites: [], effects: [refund]}
- id: large
  title: A large refund, lowered by finance
  principal: ana
  messages:
    - text: refund 80 euros for order 1042
      expect: awaiting_review
      effects: [refund]
      reviewer:
        {as: li, answer: edit, arguments: {amount_cents: 4000}, reason: half, expect: answered}
- id: cited
  title: An answer with its source
  principal: reader
  messages:
    - {text: "How long does a parcel take?", expect: answered, cites: [parcels], effects: []}
"""


@pytest.fixture
def staged(workspace):
    """Return the small workspace with three conversations."""
    (workspace / "conversations.yaml").write_text(SCENES)
    return workspace


def change(workspace, where, value):
    scenes = yaml.safe_load((workspace / "conversations.yaml").read_text())
    target = scenes
    for key in where[:-1]:
        target = target[key]
    target[where[-1]] = value
    (workspace / "conversations.yaml").write_text(yaml.safe_dump(scenes))


def test_sample_desk_plays_twelve_conversations_as_expected(ask):
    played, code = ask("demo", "--fast")
    assert len(played["conversations"]) == 12
    unexpected = [c for c in played["conversations"] if not c["as_expected"]]
    assert (unexpected, played["as_expected"], code) == ([], True, 0)
    assert all(c["hops"] > 0 and c["ms"] > 0 for c in played["conversations"])
    done = [e for c in played["conversations"] for e in c["effects"]]
    assert done == ["refund_payment"] * 3


def test_conversations_are_shown_with_steps_decisions_and_a_summary(cli, staged, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = cli("demo", staged)
    assert result.exit_code == 0, result.stdout
    text = " ".join(result.stdout.split())
    for part in (
        "1/3 A small refund",
        "→ executor: because",
        "Refunded 20.00 EUR for order 1042.",
        "refund(order_id=1042, amount_cents=8000) for ana waits for 1 × finance",
        "li edits: “half”",
        "Refunded 40.00 EUR for order 1042.",
        "[1] Parcels (parcels)",
        "expected outcome hops ms effects",
        "Go on yourself:",
        "concertmaster chat",
    ):
        assert part in text
    lines = result.stdout.partition("Go on yourself")[0].splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "\x1b" in line or line != line.rstrip()]


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        ((0, "messages", 0, "expect"), "refused", None),
        ((1, "messages", 0, "reviewer", "answer"), "reject", None),
        ((0, "messages", 0, "effects"), [], "effects: refund, expected none"),
        ((2, "messages", 0, "cites"), ["fees"], "cites parcels, expected fees"),
        ((2, "messages", 0, "cites"), [], "cites parcels, expected nothing"),
    ],
)
def test_outcome_that_differs_is_shown_and_counts(cli, ask, staged, where, value, fault):
    change(staged, where, value)
    played, code = ask("demo", staged)
    assert (played["as_expected"], code) == (False, 1)
    assert [c["as_expected"] for c in played["conversations"]].count(False) == 1
    shown = cli("demo", staged)
    assert shown.exit_code == 1
    assert "✗" in shown.stdout
    assert fault is None or fault in shown.stdout


def test_home_is_kept_on_request_and_never_a_used_one(cli, ask, staged, tmp_path):
    place = tmp_path / "kept"
    assert "--home" in cli("demo", staged, "--home", place).stdout
    threads, _ = ask("threads", "list", "--home", place)
    assert {t["id"] for t in threads} == {"demo-small", "demo-large", "demo-cited"}
    assert cli("demo", staged, "--home", place).exit_code == 2


def test_nothing_is_left_behind(cli, staged, home, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    assert cli("demo", staged).exit_code == 0
    assert list((tmp_path / "tmp").iterdir()) == []
    assert list(home.iterdir()) == []


def test_ctrl_c_ends_the_demonstration_cleanly(interrupted, staged):
    change(staged, (0, "messages", 0, "text"), "refund 20 euros for order 777")
    code, told = interrupted("demo", staged, after="→ executor")
    assert code == 130, told
    assert "interrupted" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("text", [None, "", "[1", "- {id: x}", "conversations: []"])
def test_workspace_without_conversations_is_told(cli, workspace, text):
    if text is not None:
        (workspace / "conversations.yaml").write_text(text)
    result = cli("demo", workspace)
    assert result.exit_code == 3
    assert re.search(r"^error CM110: conversations.yaml:\d: ", result.stderr)


def test_output_that_cannot_hold_every_character_is_no_failure(process, staged, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = process("demo", staged)
    assert done.returncode == 0, done.stderr
    assert "A small refund" in done.stdout


def test_sample_is_found_wherever_the_command_runs(process, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = process("init", "desk")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tmp_path / "desk" / "knowledge")
    assert json.loads(process("check", "desk", "--json").stdout)["ready"] is False
