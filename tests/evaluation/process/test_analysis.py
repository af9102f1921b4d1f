"""The figures of a log, against answers worked out by hand."""

from concertmaster.evaluation.process import analyse, log_of, read_csv
from concertmaster.evaluation.process.analysis import spread
from concertmaster.evaluation.process.log import PEOPLE, QUEUE


def test_a_log_with_known_answers(csv_file):
    figures = analyse(read_csv(csv_file))
    assert (figures.cases, figures.events, figures.one_time) == (3, 9, True)
    assert (figures.seconds.p50, figures.seconds.p95) == (60, 120)
    assert figures.outcomes == {"c": 3}
    steps = {step.activity: step for step in figures.steps}
    assert (steps["b"].visits, steps["b"].cases, steps["b"].repeats) == (3, 2, 1)
    assert (steps["b"].seconds.p50, steps["b"].seconds.total) == (20, 60)
    assert steps["c"].seconds.total == 160
    assert steps["c"].share == 160 / 220
    edges = {(e.before, e.after): (e.count, e.p50) for e in figures.edges}
    assert edges == {
        ("(start)", "a"): (3, 0),
        ("a", "b"): (2, 10),
        ("b", "b"): (1, 30),
        ("b", "c"): (2, 10),
        ("a", "c"): (1, 120),
        ("c", "(end)"): (3, 0),
    }
    assert [(v.path, v.cases) for v in figures.variants] == [
        (("a", "b", "b", "c"), 1),
        (("a", "b", "c"), 1),
        (("a", "c"), 1),
    ]
    assert [(day.name, day.cases) for day in figures.days] == [("2026-09-01", 2), ("2026-09-02", 1)]
    assert figures.rework["cases_with_repeats"] == 1


def test_time_for_people_is_no_time_of_the_step_that_waits(reviewed):
    figures = analyse(log_of("desk", reviewed.events))
    steps = {step.activity: step for step in figures.steps}
    assert steps["executor"].seconds.total == 10
    assert steps["executor"].cost == 0.5
    assert figures.waits[PEOPLE].total == 100
    assert figures.waits[QUEUE].total == 2
    assert steps["responder"].seconds.total == 5
    assert figures.outcomes == {"answered": 1}
    assert figures.rework == {
        "cases_with_repeats": 1,
        "repeated_steps": 1,
        "retries": 1,
        "revisions": 1,
    }
    assert [case.path for case in log_of("desk", reviewed.events).cases] == [
        (QUEUE, "executor", PEOPLE, "responder", "responder", "finish")
    ]


def test_two_approvals_at_once_are_one_wait(trail):
    trail.hop(0, "executor", 0)
    trail.add(1, "approval.requested", approval="a")
    trail.add(2, "approval.requested", approval="b")
    trail.add(11, "approval.answered", approval="b", status="approved")
    trail.add(21, "approval.answered", approval="a", status="rejected")
    trail.hop(22, "finish", 1)
    trail.add(22, "run.ended", status="answered")
    figures = analyse(log_of("desk", trail.events))
    assert (figures.waits[PEOPLE].count, figures.waits[PEOPLE].total) == (1, 20)
    assert next(s for s in figures.steps if s.activity == "executor").seconds.total == 2


def test_a_vote_that_does_not_settle_it_ends_no_wait(trail):
    trail.hop(0, "executor", 0)
    trail.add(1, "approval.requested", approval="a")
    trail.add(5, "approval.answered", approval="a", status="pending")
    trail.add(9, "approval.answered", approval="a", status="approved")
    trail.add(9, "run.ended", status="answered")
    assert analyse(log_of("desk", trail.events)).waits[PEOPLE].total == 8


def test_a_wait_goes_on_when_others_are_asked_after_the_deadline(trail):
    trail.hop(0, "executor", 0)
    trail.add(1, "approval.requested", approval="a")
    trail.add(11, "approval.overdue", approval="a", status="overdue", successor="b")
    trail.add(11, "approval.requested", approval="b")
    trail.add(21, "approval.answered", approval="b", status="approved")
    trail.add(21, "run.ended", status="answered")
    waits = analyse(log_of("desk", trail.events)).waits[PEOPLE]
    assert (waits.count, waits.total) == (1, 20)


def test_a_run_that_is_not_over_is_open(trail):
    trail.hop(0, "executor", 0)
    trail.add(4, "approval.requested", approval="a")
    figures = analyse(log_of("desk", trail.events))
    assert figures.outcomes == {"open": 1}
    assert figures.waits == {}


def test_nothing_gives_no_figures():
    figures = analyse(log_of("desk", []))
    assert (figures.cases, figures.first, figures.steps, figures.variants) == (0, None, (), ())


def test_percentiles_are_by_the_nearest_rank():
    found = spread(range(1, 101))
    assert (found.p50, found.p95) == (50, 95)
    assert spread([7]).p95 == 7
