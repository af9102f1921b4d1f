import json
from pathlib import Path

import pytest

INTENTS = """
intents:
  - name: refund
    owner: ops
    utterances: [I want my money back, refund my order, give me a refund, pay me back,
      return my money, can I get a refund, the refund please, I demand a refund]
  - name: track
    owner: ops
    utterances: [where is my parcel, track my parcel, has my parcel been shipped,
      when does the parcel arrive, parcel tracking, my parcel is late,
      the parcel has not come, is the parcel on its way]
  - name: hours
    owner: ops
    utterances: [when do you open, what are your opening hours, are you open on sunday,
      when do you close, opening times please, how late are you open,
      do you open early, until when are you open]
out_of_scope: [tell me a joke, what is the weather, sing a song, who won the match,
  translate this, who are you]
"""


@pytest.fixture
def reading(workspace):
    """Return the workspace with three intents."""
    (workspace / "intents.yaml").write_text(INTENTS)
    return workspace


@pytest.fixture
def data(tmp_path):
    """Return a file of labelled messages, one of them mixed up for certain."""
    rows = [
        {"text": "refund order 12 please", "intent": "refund"},
        {"text": "when does your shop open", "intent": "hours"},
        {"text": "where is my parcel", "intent": "refund"},
        {"text": "what is the weather like", "intent": None},
    ]
    path = tmp_path / "messages.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_training_stores_the_model_in_the_home(ask, reading):
    made, code = ask("intents", "train", reading)
    assert code == 0
    assert (made["intents"], made["utterances"]) == (3, 24)
    assert made["file"].endswith("model.npz")
    assert made["bytes"] > 1000


def test_evaluation_judges_every_utterance_without_a_home(ask, reading):
    told, code = ask("intents", "evaluate", reading, "--folds", "3")
    assert code == 0
    assert told["messages"] == 30
    assert {i["intent"] for i in told["intents"]} == {"refund", "track", "hours"}
    assert told["accuracy"] > 0.5
    assert told["out_of_scope_recall"] is not None


def test_evaluation_is_readable_at_80_columns(cli, reading, data):
    result = cli("intents", "evaluate", reading, "--data", data)
    assert result.exit_code == 0
    assert "4 messages of the file" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_confusions_name_both_intents_an_example_and_a_suggestion(cli, ask, reading, data):
    result = cli("intents", "confusions", reading, "--data", data)
    assert "refund read as track: 1" in result.stdout
    assert "where is my parcel" in result.stdout
    assert "add utterances like this to refund, or move it if it means track" in result.stdout
    told, _ = ask("intents", "confusions", reading, "--data", data)
    assert {"wanted": "refund", "read": "track"}.items() <= told[0].items()


@pytest.mark.parametrize(
    "content", ["no json", "[]", '{"text": "secret words"}', '{"text": 1, "intent": null}', ""]
)
def test_bad_data_is_named_by_its_line_and_not_repeated(cli, reading, data, content):
    data.write_text(content)
    result = cli("intents", "evaluate", reading, "--data", data)
    assert result.exit_code != 0
    assert "messages.jsonl" in result.stderr
    assert "secret words" not in result.stderr


def test_data_of_other_intents_is_refused(cli, reading, data):
    data.write_text('{"text": "hello", "intent": "unheard_of"}')
    result = cli("intents", "train", reading, "--data", data)
    assert result.exit_code != 0
    assert "hours, refund, track" in result.stderr


def test_workspace_without_intents_is_told(cli, workspace):
    result = cli("intents", "evaluate", workspace)
    assert result.exit_code != 0
    assert "declares no intents" in result.stderr


def golden(question, intent):
    return json.dumps({"question": question, "intent": intent, "documents": [], "answer": None})


def test_golden_questions_measure_what_they_say_of_intents(ask, reading, data):
    lines = [
        golden("give me my money back please", "refund"),
        golden("knock knock, tell me a funny joke", "out_of_scope"),
        golden("what does a card cost?", None),
    ]
    data.write_text("\n".join(lines))
    told, code = ask("intents", "evaluate", reading, "--data", data)
    assert (code, told["messages"]) == (0, 2)
    assert told["out_of_scope_recall"] is not None
    assert [i["messages"] for i in told["intents"]] == [1]


def test_golden_questions_without_any_intent_are_told(cli, reading, data):
    data.write_text(golden("what does a card cost?", None))
    result = cli("intents", "evaluate", reading, "--data", data)
    assert result.exit_code != 0
    assert "holds no message with an intent" in result.stderr


def test_utterance_among_the_data_is_not_learned_before_it_is_judged(ask, reading, data):
    odd = "zyxwv utsrq ponml"
    intents = reading / "intents.yaml"
    intents.write_text(intents.read_text().replace("refund my order,", f"refund my order, {odd},"))
    data.write_text(json.dumps({"text": odd, "intent": "refund"}))
    told, _ = ask("intents", "evaluate", reading, "--data", data)
    assert told["accuracy"] == 0.0
    data.write_text(json.dumps({"text": f"{odd}!", "intent": "refund"}))
    assert ask("intents", "evaluate", reading, "--data", data)[0]["accuracy"] == 1.0


def test_embedding_of_the_workspace_reads_the_messages(ask, cli, reading, data):
    workflow = reading / "workflow.yaml"
    described = (
        "embedding: {model: 'langchain_core.embeddings:DeterministicFakeEmbedding',"
        " arguments: {size: 16}, name: fake-16}"
    )
    knowledge = "knowledge: {paths: [knowledge], default_owner: ops"
    workflow.write_text(workflow.read_text().replace(knowledge, f"{knowledge}, {described}"))
    made, _ = ask("intents", "train", reading)
    stored = Path(made["file"]).stat().st_mtime_ns
    cli("run", reading, "when do you open", "--as", "reader")
    assert Path(made["file"]).stat().st_mtime_ns == stored
