"""Trace and span ids follow from the trail, and lead back to it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import AuditEvent
from concertmaster.telemetry.ids import Derived, conversation_id, places, span_id, trace_id

TYPES = (
    "run.received run.queued run.started route.hop approval.requested approval.answered"
    " policy.decided run.recovered run.ended"
).split()


def event(number: int, type_: str, **data) -> AuditEvent:
    return AuditEvent(
        id=f"evt-{number}",
        time="2026-01-01T10:00:00Z",
        type=type_,
        workspace="desk",
        run="run-1",
        actor="someone",
        why="because",
        data=data,
    )


def traces(*types: str) -> list[str]:
    return [place.trace for place in places(event(n, t) for n, t in enumerate(types))]


def test_a_run_that_never_waits_is_one_trace():
    assert set(traces("run.received", "run.started", "route.hop", "run.ended")) == {
        trace_id("run-1")
    }


def test_what_wakes_a_waiting_run_begins_the_next_trace():
    found = traces("run.received", "approval.requested", "approval.answered", "run.ended")
    assert found == [trace_id("run-1")] * 2 + [trace_id("run-1", "evt-2")] * 2


def test_an_answer_of_one_of_two_reviewers_wakes_nothing():
    events = [
        event(0, "approval.requested"),
        event(1, "approval.answered", status="pending"),
        event(2, "approval.answered", status="approved"),
    ]
    assert [p.trace for p in places(events)] == [
        trace_id("run-1"),
        trace_id("run-1"),
        trace_id("run-1", "evt-2"),
    ]


def test_a_recovered_run_begins_a_trace_of_its_own():
    assert traces("run.received", "run.recovered")[1] == trace_id("run-1", "evt-1")


@given(st.lists(st.sampled_from(TYPES), max_size=30))
def test_traces_only_go_forward(types: list[str]):
    found = traces(*types)
    left = set()
    for before, after in pairwise(found):
        if before != after:
            left.add(before)
        assert after not in left


def test_ids_have_the_forms_of_opentelemetry():
    assert len(trace_id("run-1")) == 32
    assert len(span_id("evt-1")) == 16
    assert int(trace_id("run-1"), 16)


def test_a_threads_own_id_is_not_told():
    assert "ana@shop.example" not in conversation_id("ana@shop.example")


def test_others_ids_are_drawn_as_before():
    class Drawn:
        def generate_trace_id(self) -> int:
            return 7

        def generate_span_id(self) -> int:
            return 8

    ids = Derived(Drawn())
    with ids.giving(trace_id("run-1"), span_id("evt-1")):
        assert f"{ids.generate_trace_id():032x}" == trace_id("run-1")
        assert f"{ids.generate_span_id():016x}" == span_id("evt-1")
    assert (ids.generate_trace_id(), ids.generate_span_id()) == (7, 8)
