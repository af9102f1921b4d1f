"""The events that a response is written in, for every end that a run can have."""

import pytest
from openai.types.responses import Response

from concertmaster.contracts import Outcome, Principal, RunRecord, Usage
from concertmaster.serving.openai.names import ResponseName
from concertmaster.serving.openai.response import Head
from concertmaster.serving.openai.response_events import ResponseWriter

RECORD = RunRecord(
    id="run-5f0c5f0c",
    thread="t-1",
    workspace="desk",
    principal=Principal(id="ana"),
    text="hello",
    status="running",
    created="2026-01-02T03:04:05+00:00",
    updated="2026-01-02T03:04:05+00:00",
)
HEAD = Head(name=ResponseName(RECORD.id), record=RECORD, thread="t-1", model="desk")
USAGE = Usage(input_tokens=30, output_tokens=12, cached_tokens=5)


def written(status: str, text: str = "What became of it.") -> dict:
    writer = ResponseWriter(HEAD)
    writer.begin()
    writer.text(text)
    *_, last = writer.end(Outcome(status=status, text=text), USAGE)
    return last


@pytest.mark.parametrize(
    ("run", "response", "event"),
    [
        ("answered", "completed", "response.completed"),
        ("escalated", "completed", "response.completed"),
        ("refused", "completed", "response.completed"),
        ("awaiting_review", "completed", "response.completed"),
        ("queued", "queued", "response.queued"),
        ("failed", "failed", "response.failed"),
        ("cancelled", "cancelled", "response.incomplete"),
    ],
)
def test_each_end_of_a_run_has_its_status_and_its_event(run, response, event):
    last = written(run)
    assert (last["response"]["status"], last["type"]) == (response, event)
    assert last["response"]["metadata"]["status"] == run
    Response.model_validate(last["response"])


def test_a_failed_run_has_an_error_and_still_its_words():
    failed = Response.model_validate(written("failed")["response"])
    assert (failed.error.code, failed.error.message) == ("server_error", "What became of it.")
    assert failed.output_text == "What became of it."
    assert Response.model_validate(written("answered")["response"]).error is None


def test_tokens_are_those_of_the_run():
    usage = Response.model_validate(written("answered")["response"]).usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (30, 12, 42)
    assert usage.input_tokens_details.cached_tokens == 5


def test_a_message_is_opened_once_and_its_parts_make_it():
    writer = ResponseWriter(HEAD)
    events = [*writer.begin(), *writer.text("one "), *writer.text("two")]
    events += writer.end(Outcome(status="answered", text="one two"), USAGE)
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    assert sum(e["type"] == "response.output_item.added" for e in events) == 1
    deltas = [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
    assert "".join(deltas) == "one two"
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "one two"


def test_an_end_without_words_has_no_message():
    writer = ResponseWriter(HEAD)
    writer.begin()
    (last,) = writer.end(Outcome(status="cancelled"), USAGE)
    assert last["response"]["output"] == []
