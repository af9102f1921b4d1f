"""Datasets: read, checked against a workspace, written; every fault told with its line."""

import json

import jsonschema
import pytest

from concertmaster.errors import ConfigError
from concertmaster.evaluation.dataset import dataset_schema, read_dataset, write_dataset
from concertmaster.graphs.workspace import Workspace


def test_case_is_read_with_its_line(write, small, large):
    found = read_dataset(write(small, "", large))
    assert [c.id for c in found.cases] == ["small", "large"]
    assert found.lines == (1, 3)
    assert found.cases[0].turns[0].expected.status == "answered"


def test_what_is_written_is_read_again(write, small, large, waits, tmp_path):
    first = read_dataset(write(small, large, waits))
    write_dataset(tmp_path / "again.jsonl", first.cases)
    again = read_dataset(tmp_path / "again.jsonl")
    assert again.cases == first.cases
    assert again.digest == first.digest


def test_schema_accepts_what_is_read_and_refuses_what_is_not(small, large, waits, root):
    check = jsonschema.Draft202012Validator(dataset_schema())
    sample = (root / "examples/support_desk/evaluation/cases.jsonl").read_text().splitlines()
    for case in (small, large, waits, *map(json.loads, sample)):
        check.validate(case)
    assert not check.is_valid({**small, "expeted": {}})
    assert not check.is_valid({**small, "messages": []})


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", ":1: error: is no valid JSON"),
        ("[]", ":1: error: is no JSON object"),
        ('{"id": "a", "id": "b"}', "stands there twice"),
        ('{"id": NaN}', "NaN is no number"),
        ("[" * 100_000, ":1: error:"),
    ],
)
def test_line_that_is_no_case_is_told_with_its_place(write, line, told):
    with pytest.raises(ConfigError) as raised:
        read_dataset(write(line))
    assert told in raised.value.message
    assert "nothing was run" in raised.value.message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"expeted": {}}, "expeted: there is no such field (did you mean 'expected'?)"),
        ({"principal": None}, "principal: input should be a valid string"),
        ({"messages": []}, "messages: tuple should have at least 1 item"),
        ({"expected": {}}, "`expected` says nothing about the last message"),
        ({"id": "no good"}, "a name consists of ASCII letters"),
        ({"expected": {"status": "done"}}, "expected.status: input should be 'queued'"),
        ({"expected": {"max_cost": -1}}, "expected.max_cost"),
        ({"reviewer": [{"as": "li", "answer": "edit"}]}, "an edit says in `arguments`"),
        ({"reviewer": [{"as": "li", "answer": "respond"}]}, "a response says something"),
        (
            {"messages": [{"text": "x", "expected": {"status": "answered"}}]},
            "given for the case and for its last message",
        ),
    ],
)
def test_wrong_field_is_told_with_case_line_and_field(write, small, large, change, told):
    with pytest.raises(ConfigError) as raised:
        read_dataset(write(large, {**small, **change}))
    assert "cases.jsonl:2: error:" in raised.value.message
    assert told in raised.value.message


def test_id_that_stands_there_twice_is_refused(write, small):
    with pytest.raises(ConfigError, match=r"two cases are called 'small' \(first in line 1\)"):
        read_dataset(write(small, small))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"principal": "anna"}, "principal: there is no principal 'anna' (did you mean 'ana'?)"),
        ({"reviewer": [{"as": "lu", "answer": "approve"}]}, "reviewer.0.as: there is no principal"),
        ({"reviewer": [{"as": "li", "answer": "approve", "tool": "refnd"}]}, "mean 'refund'?"),
        ({"expected": {"intent": "refunds"}}, "expected.intent: there is no intent 'refunds'"),
        ({"expected": {"tools": [{"tool": "pay"}]}}, "expected.tools: there is no tool 'pay'"),
        ({"expected": {"effects": ["refnd"]}}, "expected.effects: there is no tool 'refnd'"),
        ({"expected": {"forbidden": ["refnd"]}}, "expected.forbidden: there is no tool"),
        ({"expected": {"owner": "opss"}}, "there is no owner 'opss' (did you mean 'ops'?)"),
        ({"expected": {"path": ["excutor"]}}, "there is no step 'excutor'"),
        ({"expected": {"reviewers": ["finanz"]}}, "there is no role 'finanz'"),
    ],
)
def test_what_the_workspace_does_not_have_is_refused_with_a_hint(
    write, workspace, small, change, told
):
    with pytest.raises(ConfigError) as raised:
        read_dataset(write({**small, **change}), Workspace.load(workspace))
    assert told in raised.value.message


def test_every_fault_is_listed_at_once(write, small):
    with pytest.raises(ConfigError) as raised:
        read_dataset(write("{", "[]", {**small, "principal": 3}))
    assert [f"cases.jsonl:{n}:" in raised.value.message for n in (1, 2, 3)] == [True] * 3


def test_file_that_is_not_there_empty_or_no_text_is_refused(tmp_path):
    for content in (None, b"", b"\n\n", b"\xff\xfe\x00"):
        file = tmp_path / "x.jsonl"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ConfigError):
            read_dataset(file)


def test_unknown_tag_is_refused_with_a_hint(write, small, large):
    found = read_dataset(write(small, large))
    assert [c.id for c in found.tagged(["money"]).cases] == ["small"]
    with pytest.raises(ConfigError) as raised:
        found.tagged(["mony"])
    assert raised.value.hint == "did you mean 'money'?"
