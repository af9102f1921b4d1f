"""Runs as spans: what is shown, how it hangs together, and what is never told."""

import json
import os
import subprocess
import sys

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.metrics import MeterProvider

import concertmaster as cm
from concertmaster.telemetry import observe, places, span_id, trace_id
from concertmaster.telemetry.conventions import SCHEMA_URL, SEMCONV
from concertmaster.testing import Call, ScriptedModel

LARGE = "refund 80 EUR of order 42"


@pytest.fixture
def watch(seen):
    def start(desk, **given):
        return observe(
            desk,
            tracer_provider=seen.provider,
            meter_provider=MeterProvider(shutdown_on_exit=False),
            **given,
        )

    return start


def hexed(number: int, digits: int = 32) -> str:
    return f"{number:0{digits}x}"


async def test_a_run_is_a_tree_of_workflow_steps_and_calls(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        observer = watch(desk)
        run = await desk.run("refund 20 EUR of order 42", principal="ana")
        assert (run.status, observer.broken) == ("answered", 0)
    (root,) = seen.roots()
    assert root.name == "invoke_workflow refunds"
    assert root.attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert root.attributes["concertmaster.outcome"] == "answered"
    assert root.instrumentation_scope.schema_url == SCHEMA_URL
    assert SEMCONV in SCHEMA_URL
    (call,) = seen.named("execute_tool refund")
    assert call.attributes["gen_ai.tool.name"] == "refund"
    assert call.attributes["concertmaster.decision"] == "allow"
    assert call.attributes["concertmaster.policies"] == ("refunds.small",)
    ids = {span.context.span_id for span in seen.spans}
    assert all(span.parent.span_id in ids for span in seen.spans if span is not root)
    assert all(span.start_time <= span.end_time for span in seen.spans)
    steps = {s.attributes.get("gen_ai.agent.name") for s in seen.spans} - {None}
    assert steps == {"executor", "responder", "critic"}


async def test_everything_of_the_trail_is_shown(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        run = await desk.run("refund 20 EUR of order 42", principal="ana")
    begun = {s.attributes["concertmaster.event.id"] for s in seen.spans}
    noted = [e.name for s in seen.spans for e in s.events]
    for event in run.events:
        # The result of a call is the end of the span that its decision began.
        ends = event.type in ("tool.called", "effect.done")
        assert event.id in begun or event.type in noted or ends, event.type


async def test_the_trail_tells_where_each_span_is(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        run = await desk.run(LARGE, principal="ana")
        run = await desk.decide(run.pending[0].id, cm.Approve(reason="seen"), principal="li")
    known = {p.event: p for p in places(run.events)}
    for span in seen.spans:
        place = known[span.attributes["concertmaster.event.id"]]
        assert hexed(span.context.trace_id) == place.trace
        assert span.attributes["concertmaster.run.id"] == run.id
        if span.parent is not None:
            assert hexed(span.context.span_id, 16) == place.span == span_id(place.event)


async def test_a_run_that_waits_ends_its_trace_and_the_next_one_links_to_it(
    workspace, tmp_path, seen, watch
):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        run = await desk.run(LARGE, principal="ana")
        (first,) = seen.roots()
        assert first.attributes["concertmaster.outcome"] == "awaiting_review"
        assert hexed(first.context.trace_id) == trace_id(run.id)
        await desk.decide(run.pending[0].id, cm.Approve(reason="seen"), principal="li")
    _, second = seen.roots()
    assert second.context.trace_id != first.context.trace_id
    (link,) = second.links
    assert (link.context.trace_id, link.context.span_id) == (
        first.context.trace_id,
        first.context.span_id,
    )
    assert second.attributes["concertmaster.outcome"] == "answered"
    assert second.attributes["concertmaster.approval.waited"] >= 0
    assert "approval.answered" in [e.name for e in second.events]
    (call,) = seen.named("execute_tool refund")
    assert call.attributes["concertmaster.approval"] == run.pending[0].id


async def test_a_run_that_another_process_began_is_linked_too(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        run = await desk.run(LARGE, principal="ana")
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        run = await desk.decide(run.pending[0].id, cm.Approve(reason="seen"), principal="li")
    (root,) = seen.roots()
    assert hexed(root.links[0].context.trace_id) == trace_id(run.id)
    known = {p.event: p.trace for p in places(run.events)}
    assert known[root.attributes["concertmaster.event.id"]] == hexed(root.context.trace_id)


async def test_a_model_call_has_model_tokens_and_how_it_ended(support_desk, trained, seen, watch):
    model = ScriptedModel(otherwise="You have 30 days [1].")
    async with cm.open(support_desk, home=trained, model=model) as desk:
        watch(desk)
        await desk.run("How long do I have to return a lamp?", principal="ana")
    (chat,) = seen.named("chat scripted-model")
    assert chat.kind is api.SpanKind.CLIENT
    assert chat.attributes["gen_ai.request.model"] == "scripted-model"
    assert chat.attributes["gen_ai.usage.input_tokens"] > 100
    assert chat.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    (retrieval,) = seen.named("retrieval")
    assert retrieval.attributes["concertmaster.passages"] > 0


async def test_a_model_that_fails_is_told_by_kind(support_desk, trained, seen, watch):
    model = ScriptedModel(otherwise=ConnectionError("secret-host.internal refused"))
    async with cm.open(support_desk, home=trained, model=model) as desk:
        watch(desk)
        await desk.run("How long do I have to return a lamp?", principal="ana")
    (chat, *_) = seen.named("chat scripted-model")
    assert chat.status.status_code is api.StatusCode.ERROR
    assert chat.attributes["error.type"]
    assert "secret-host" not in seen.text()


async def test_a_refused_call_is_a_decision_and_no_error(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        await desk.run("refund 20 EUR of order 13", principal="ana")
    refused = [e for s in seen.spans for e in s.events if e.name == "tool.refused"]
    assert refused[0].attributes["concertmaster.decision"] == "deny"
    assert not seen.named("execute_tool get_order")
    assert all(s.status.status_code is not api.StatusCode.ERROR for s in seen.spans)


async def test_a_call_that_fails_is_an_error(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        await desk.run("refund 20 EUR of order 404", principal="ana")
    (call,) = seen.named("execute_tool get_order")
    assert call.attributes["error.type"] == "tool_failed"


async def test_a_cancelled_run_that_waited_says_so(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        run = await desk.run(LARGE, principal="ana")
        await desk.cancel(run.id, principal="ana")
    assert seen.roots()[-1].attributes["concertmaster.outcome"] == "cancelled"


async def test_nobodys_words_are_told_unless_asked_for(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        text = "I am Anastasia Petrova: refund 80 EUR of order 42"
        run = await desk.run(text, principal="ana", thread="petrova-private")
        await desk.decide(run.pending[0].id, cm.Approve(reason="Petrova called"), principal="li")
    told = seen.text()
    for word in ("Petrova", "petrova", "8000", "Refunded", '"ana"', '"li"'):
        assert word not in told, word


async def test_a_tools_name_that_a_model_made_up_is_not_told(workspace, tmp_path, seen, watch):
    # The name would carry out whatever a prompt injection makes the model write.
    flow = workspace / "workflow.yaml"
    flow.write_text(flow.read_text().replace("    playbook: refund\n", ""))
    model = ScriptedModel(otherwise=Call("leak_anastasia_petrova", {}))
    async with cm.open(workspace, home=tmp_path / "home", model=model) as desk:
        watch(desk)
        run = await desk.run("refund 20 EUR of order 42", principal="ana")
    assert "leak_anastasia_petrova" in str([event.model_dump() for event in run.events])
    assert "leak_anastasia_petrova" not in seen.text()
    assert seen.named("chat scripted-model")


async def test_content_that_was_asked_for_is_redacted(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk, content=True)
        text = "mail ana.petrova@example.org: refund 20 EUR of order 42"
        await desk.run(text, principal="ana")
    (root,) = seen.roots()
    (message,) = json.loads(root.attributes["gen_ai.input.messages"])
    assert "refund 20 EUR of order 42" in message["parts"][0]["content"]
    assert "Refunded" in root.attributes["gen_ai.output.messages"]
    (call,) = seen.named("execute_tool refund")
    assert json.loads(call.attributes["gen_ai.tool.call.arguments"]) == {
        "order_id": 42,
        "amount_cents": 2000,
    }
    assert "ana.petrova@example.org" not in seen.text()


async def test_the_variable_of_the_conventions_asks_for_content(
    workspace, tmp_path, seen, watch, monkeypatch
):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        await desk.run("refund 20 EUR of order 42", principal="ana")
    assert "gen_ai.input.messages" in seen.roots()[0].attributes


async def test_a_programs_own_spans_keep_their_ids_and_are_linked(workspace, tmp_path, seen, watch):
    own = seen.provider.get_tracer("a program")
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        observer = watch(desk)
        with own.start_as_current_span("request") as around:
            await desk.run("refund 20 EUR of order 42", principal="ana")
        observer.close()
        with own.start_as_current_span("later"):
            pass  # Its provider is not shut down with ours.
    assert seen.named("later")
    (root,) = seen.named("invoke_workflow refunds")
    assert root.links[0].context.trace_id == around.get_span_context().trace_id


async def test_what_happens_within_joins_the_trace(workspace, tmp_path, seen, watch):
    tools = workspace / "tools.py"
    inner = (
        '    "Look an order up."\n'
        "    from opentelemetry import trace\n"
        '    print("within", format(trace.get_current_span().get_span_context().trace_id, "x"))\n'
    )
    tools.write_text(tools.read_text().replace('    "Look an order up."\n', inner))
    import contextlib
    import io

    said = io.StringIO()
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        watch(desk)
        with contextlib.redirect_stdout(said):
            run = await desk.run("refund 20 EUR of order 42", principal="ana")
    assert trace_id(run.id).lstrip("0") in said.getvalue()


async def test_a_broken_exporter_changes_nothing_of_a_run(workspace, tmp_path, seen, watch):
    class Broken:
        def on_start(self, *_, **__):
            raise RuntimeError("no")

        def on_end(self, *_):
            raise RuntimeError("no")

        def _on_ending(self, *_):
            pass

        def shutdown(self):
            pass

    seen.provider.add_span_processor(Broken())
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        observer = watch(desk)
        run = await desk.run("refund 20 EUR of order 42", principal="ana")
    assert run.status == "answered"
    assert observer.broken > 0


async def test_a_closed_observer_sees_nothing_more(workspace, tmp_path, seen, watch):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        observer = watch(desk)
        observer.close()
        observer.close()
        await desk.run("refund 20 EUR of order 42", principal="ana")
    assert seen.spans == []


KILLED = """
import asyncio, sys
import concertmaster as cm

async def main():
    async with cm.open(sys.argv[1], home=sys.argv[2]) as desk:
        await desk.run("refund 20 EUR of order 42", principal="ana")

asyncio.run(main())
"""


async def test_a_run_that_lost_its_process_goes_on_in_a_trace_of_its_own(
    workspace, tmp_path, seen, watch
):
    arguments = [sys.executable, "-c", KILLED, str(workspace), str(tmp_path / "home")]
    environment = {**os.environ, "DIE_BEFORE_EFFECT": "1"}
    done = subprocess.run(arguments, env=environment, timeout=120, check=False)
    assert done.returncode == -9
    async with cm.open(workspace, home=tmp_path / "home", recover=False) as desk:
        watch(desk)
        (run,) = await desk.recover()
    (root,) = seen.roots()
    assert hexed(root.links[0].context.trace_id) == trace_id(run.id)
    known = {p.event: p.trace for p in places(run.events)}
    assert known[root.attributes["concertmaster.event.id"]] == hexed(root.context.trace_id)
    assert root.attributes["concertmaster.outcome"] == run.status
