"""Log lines as JSON: they name run and trace, and nobody's words."""

import asyncio
import io
import json
import logging

import pytest

import concertmaster as cm
from concertmaster.telemetry import places
from concertmaster.telemetry.facts import Names
from concertmaster.telemetry.logs import RunLines, log_json


@pytest.fixture
def lines():
    stream = io.StringIO()
    logger = logging.getLogger("concertmaster")
    level = logger.level
    handler = log_json(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def attach(desk) -> None:
    found = RunLines(Names.of(desk))
    desk.services.trail.on(found.event)
    desk.on_segment(found.segment)


async def test_lines_of_a_run_have_the_ids_of_its_traces(workspace, tmp_path, lines):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        attach(desk)
        run = await desk.run("refund 80 EUR of order 42", principal="ana")
        run = await desk.decide(run.pending[0].id, cm.Approve(reason="seen"), principal="li")
    traces = {place.trace for place in places(run.events)}
    told = [line for line in lines() if line.get("run") == run.id]
    assert {line["trace_id"] for line in told} == traces
    assert len(traces) == 2
    assert told[0]["event"] == "run.received"
    assert told[-1]["event"] == "run.ended"
    assert told[-1]["status"] == "answered"


async def test_what_is_logged_within_a_run_belongs_to_it(workspace, tmp_path, lines):
    tools = workspace / "tools.py"
    told = '    "Look an order up."\n    logging.getLogger("concertmaster.shop").warning("slow")\n'
    text = tools.read_text().replace('    "Look an order up."\n', told)
    tools.write_text("import logging\n" + text)
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        attach(desk)
        run, other = await asyncio.gather(
            desk.run("refund 20 EUR of order 42", principal="ana"),
            desk.run("refund 20 EUR of order 42", principal="ana"),
        )
    logging.getLogger("concertmaster.shop").warning("between runs")
    slow = [line for line in lines() if line["message"] == "slow"]
    assert {line["run"] for line in slow} == {run.id, other.id}
    (between,) = [line for line in lines() if line["message"] == "between runs"]
    assert "run" not in between


async def test_nobodys_words_are_logged(workspace, tmp_path, lines):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        attach(desk)
        text = "I am Anastasia Petrova: refund 80 EUR of order 42"
        run = await desk.run(text, principal="ana", thread="petrova")
        await desk.decide(run.pending[0].id, cm.Reject(reason="Petrova lied"), principal="li")
    told = json.dumps(lines())
    assert "approval.answered" in told
    for word in ("Petrova", "petrova", '"ana"', '"li"', "8000"):
        assert word not in told, word


def test_a_library_of_ours_that_logs_an_address_is_redacted(lines):
    logging.getLogger("concertmaster.new").warning("mail to %s failed", "ana@example.org")
    (line,) = lines()
    assert "ana@example.org" not in line["message"]
    assert (line["level"], line["logger"]) == ("warning", "concertmaster.new")


def test_of_an_exception_only_the_type_is_told(lines):
    try:
        raise ValueError("card 4111 1111 1111 1111")
    except ValueError:
        logging.getLogger("concertmaster.new").exception("broken")
    (line,) = lines()
    assert line["error"] == "ValueError"
    assert "4111" not in json.dumps(line)


def test_a_line_break_does_not_forge_a_line(lines):
    logging.getLogger("concertmaster.new").warning('a\n{"level": "error"}')
    assert len(lines()) == 1
