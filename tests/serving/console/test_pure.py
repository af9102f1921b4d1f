"""What pages are made of: words for times, differences, drawings, figures."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import AuditEvent, Principal, RunRecord
from concertmaster.orchestrator.overview import figures
from concertmaster.serving.console.characters import hidden, visible
from concertmaster.serving.console.charts import Bar, bars, columns
from concertmaster.serving.console.difference import changes
from concertmaster.serving.console.moments import ago, left, span
from concertmaster.serving.console.progress import place_of, visited
from concertmaster.serving.console.timeline import lines


@given(st.text())
def test_nothing_invisible_is_shown(text):
    shown = visible(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert (shown == text) == (hidden(text) == "")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 ms"),
        (0.0421, "42 ms"),
        (1, "1 s"),
        (2.345, "2.3 s"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (7199, "1 h 59 min"),
        (90000, "1 d 1 h"),
        (86460, "1 d"),
    ],
)
def test_times_are_told_in_their_largest_units(seconds, told):
    assert span(seconds) == told


def test_what_is_over_is_told_as_over():
    now = "2026-01-01T10:00:00.000000+00:00"
    assert left("2026-01-01T11:30:00.000000+00:00", now) == "1 h 30 min left"
    assert left("2026-01-01T09:59:00.000000+00:00", now) == "overdue for 1 min"
    assert ago("2026-01-01T09:00:00.000000+00:00", now) == "1 h ago"


WORDS = st.text(alphabet="ab 1.\n", max_size=30)


@given(WORDS, WORDS)
def test_differences_hold_both_texts_whole(old, new):
    (change,) = changes({"a": old}, {"a": new})
    if old == new:
        assert change.parts == ()
        return
    kept = {
        side: [p.text for p in change.parts if p.kind in ("same", side)] for side in ("old", "new")
    }
    assert ("".join(kept["old"]), "".join(kept["new"])) == (old, new)


def test_a_change_of_type_alone_is_a_change():
    (change,) = changes({"a": 1}, {"a": "1"})
    assert (change.old, change.new) == ("1", '"1"')
    assert change.changed


def test_bars_share_one_scale():
    drawn = bars([Bar(name="a", size=2, told="2"), Bar(name="b", size=1, told="1", mark=0.5)])
    sizes = [re.findall(r'class="size" width="([\d.]+)"', str(svg))[0] for _, svg in drawn]
    assert sizes == ["100.00", "50.00"]
    assert 'class="mark" width="25.00"' in drawn[1][1]


def test_drawings_escape_what_they_name():
    assert "<b>" not in columns([("<b>", 1, 0)])


def event(seq: int, type_: str, run: str = "r", **data) -> AuditEvent:
    """Return an event, as many seconds after ten as its number tells."""
    return AuditEvent(
        id=f"evt-{seq}",
        seq=seq,
        time=f"2026-01-01T10:00:{seq:02d}Z",
        type=type_,
        workspace="w",
        run=run,
        actor="a",
        why="",
        data=data,
    )


def test_figures_are_counted_from_the_trail():
    found = figures(
        [
            event(0, "run.received"),
            event(0, "run.received", "s"),
            event(1, "route.hop", to="executor"),
            event(2, "model.called", input_tokens=10, output_tokens=5, cost=0.25),
            event(3, "model.called", input_tokens=1, output_tokens=0, cost=None),
            event(4, "approval.requested", approval="apr-1"),
            event(10, "approval.answered", approval="apr-1", answer="approve", status="pending"),
            event(14, "approval.answered", approval="apr-1", answer="approve", status="approved"),
            event(15, "route.hop", to="responder"),
            event(16, "route.hop", "s", to="executor"),
            event(17, "route.hop", to="finish"),
            event(18, "run.ended", status="answered"),
            event(19, "approval.requested", "s", approval="apr-2"),
            event(
                21, "approval.answered", "s", approval="apr-2", answer="reject", status="rejected"
            ),
            event(22, "effect.failed", "s"),
            event(23, "run.cancelled", "s"),
        ]
    )
    assert found.runs == 2
    assert found.outcomes == {"answered": 1, "cancelled": 1}
    assert found.answers == {"approved": 1, "rejected": 1}
    assert found.approval_rate == 0.5
    assert found.median_wait == 6.0  # Of ten seconds and two.
    assert (found.cost, found.unpriced, found.model_calls, found.tokens) == (0.25, 1, 2, 16)
    assert found.errors == {"effect.failed": 1}
    took = {step.step: (step.count, step.median) for step in found.steps}
    assert took == {"executor": (2, 3.0), "responder": (1, 2.0), "finish": (1, 1.0)}
    assert [(d.day, d.asked, d.decided) for d in found.days] == [("2026-01-01", 2, 2)]


def test_nothing_is_not_zero():
    found = figures([])
    assert (found.approval_rate, found.median_wait, found.cost) == (None, None, None)


def record(status: str) -> RunRecord:
    """Return a run that stands so."""
    return RunRecord(
        id="r",
        thread="t",
        workspace="w",
        principal=Principal(id="ana"),
        text="<b>pay</b>",
        status=status,
        created="2026-01-01T10:00:00+00:00",
        updated="2026-01-01T10:00:00+00:00",
    )


PASSED = [
    event(0, "run.received"),
    event(1, "route.hop", to="executor"),
    event(2, "policy.decided", decision="review"),
    event(3, "approval.requested", approval="apr-1"),
]


@pytest.mark.parametrize(
    ("status", "events", "place"),
    [
        ("queued", [], ""),
        ("running", PASSED[:1], "intake"),
        ("running", PASSED[:2], "executor"),
        ("awaiting_review", PASSED, "human_review"),
        ("running", [*PASSED, event(4, "approval.answered")], "act"),
        ("running", [*PASSED, event(5, "route.hop", to="responder")], "responder"),
        ("answered", PASSED, "finish"),
        ("refused", PASSED, "refuse"),
        ("failed", PASSED, ""),
    ],
)
def test_a_run_is_where_its_trail_says(status, events, place):
    assert place_of(record(status), events) == place


def test_nodes_that_were_passed_are_told_from_those_that_were_not():
    assert {"executor", "authorize", "human_review"} <= visited(PASSED)
    assert visited(PASSED).isdisjoint({"responder", "act", "finish", "__end__"})
    assert visited([]) == frozenset()


def test_lines_tell_when_what_and_in_which_tone():
    told = lines([*PASSED, event(9, "effect.failed", tool="pay")], record("running"))
    assert [(line.after, line.tone) for line in told][-1] == ("+9 s", "bad")
    assert told[0].text.endswith("asked: “<b>pay</b>”.")
