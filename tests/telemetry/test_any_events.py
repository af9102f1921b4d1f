"""Whatever a trail holds, in whatever order: it is translated, and no words of it get out."""

from contextvars import copy_context
from typing import get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from concertmaster.contracts import AuditEvent, Principal, RunRecord
from concertmaster.contracts.events import EventType
from concertmaster.telemetry.facts import Names
from concertmaster.telemetry.ids import Derived
from concertmaster.telemetry.measures import Measures
from concertmaster.telemetry.segment import Tracing
from concertmaster.telemetry.spans import Spans
from concertmaster.telemetry.tally import Tally

NAMES = Names(workflow="desk", steps=frozenset({"executor"}), tools=frozenset({"pay"}))
SECRET = "Anastasia Petrova 0815"

keys = st.sampled_from(
    "tool to model kind status decision position approval policies needs evidence intent error"
    " usage input_tokens cost method attempt code answer result why".split()
)
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-10, 2**40),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from([SECRET, "pay", "executor", "allow", "apr-12345678"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["role", SECRET]), inner)
    ),
    max_leaves=4,
)
events = st.lists(
    st.tuples(
        st.sampled_from([*get_args(EventType), "begins", "rests"]),
        st.sampled_from(["run-1", "run-2"]),
        st.sampled_from(["act", "gate", SECRET]),
        st.dictionaries(keys, values, max_size=4),
    ),
    max_size=40,
)


def told(number: int, type_: str, run: str, actor: str, data: dict) -> AuditEvent:
    return AuditEvent(
        id=f"evt-{number}",
        time=f"2026-01-01T10:00:{number:02}Z",
        type=type_,
        workspace="desk",
        thread=SECRET,
        run=run,
        actor=actor,
        on_behalf_of=SECRET,
        why=SECRET,
        data=data,
    )


def record(run: str) -> RunRecord:
    return RunRecord(
        id=run,
        thread=SECRET,
        workspace="desk",
        principal=Principal(id=SECRET),
        text=SECRET,
        status="running",
        created="2026-01-01T10:00:00Z",
        updated="2026-01-01T10:00:00Z",
    )


def play(story, spans: Spans, measures: Measures | None = None) -> None:
    for number, (type_, run, actor, data) in enumerate(story):
        if type_ in ("begins", "rests"):
            spans.segment(record(run), None, type_ == "rests")
            continue
        event = told(number, type_, run, actor, data)
        spans.event(event)
        if measures is not None:
            measures.event(event)
    spans.close()


@given(events)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150, deadline=None)
def test_any_trail_is_translated_without_its_words(story):
    seen = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(seen))
    tracer = provider.get_tracer("test")
    ids = Derived(tracer.id_generator)
    tracer.id_generator = ids
    tally = Tally()
    spans = Spans(Tracing(tracer, ids, NAMES, None))
    # A segment is worked on in a task of its own, with a context of its own.
    copy_context().run(play, story, spans, Measures(NAMES, tally))
    text = "".join(span.to_json() for span in seen.get_finished_spans())
    # Policies and roles are declared by the workspace and told as they are.
    declared = {str(v) for *_, data in story for k, v in data.items() if k in ("policies", "needs")}
    if not any("Petrova" in value for value in declared):
        assert "Petrova" not in text
    assert "Petrova" not in tally.text()
    for span in seen.get_finished_spans():
        assert span.end_time is not None


@given(events)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=30, deadline=None)
def test_spans_that_nobody_records_are_no_obstacle(story):
    for provider in (
        api.NoOpTracerProvider(),
        TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False),
    ):
        spans = Spans(Tracing(provider.get_tracer("test"), None, NAMES, None))
        copy_context().run(play, story, spans)
