from hypothesis import given
from hypothesis import strategies as st

from concertmaster.models.breaker import Breaker, BreakerRules
from concertmaster.models.standing import Standings

RULES = BreakerRules(failures=3, rest=5, longest=60, probe=10)


def broken(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(RULES.failures):
        breaker = breaker.failed(at, RULES)
    return breaker


def test_one_success_forgets_earlier_failures() -> None:
    breaker = Breaker().failed(0, RULES).failed(0, RULES).succeeded().failed(0, RULES)
    assert breaker.closed


def test_open_breaker_lets_one_probe_through_after_its_rest() -> None:
    breaker = broken()
    assert not breaker.admits(4.9)
    assert breaker.admits(5.0)
    probing = breaker.admitted(5.0, RULES)
    assert not probing.admits(5.1)
    assert probing.succeeded().admits(5.2)


def test_failed_probe_rests_twice_as_long_up_to_the_longest() -> None:
    breaker, now, rests = broken(), 0.0, []
    for _ in range(8):
        rests.append((breaker.until or 0) - now)
        now = breaker.until or 0
        breaker = breaker.admitted(now, RULES).failed(now, RULES)
    assert rests == [5, 10, 20, 40, 60, 60, 60, 60]


def test_calls_that_were_under_way_do_not_prolong_a_rest() -> None:
    breaker = broken()
    late = breaker
    for _ in range(20):
        late = late.failed(1.0, RULES)
    assert late.until == breaker.until


def test_provider_that_asks_for_a_rest_gets_it_at_once_within_bounds() -> None:
    assert Breaker().failed(0, RULES, rest=7).until == 7
    assert Breaker().failed(0, RULES, rest=1e9).until == RULES.longest
    assert Breaker().failed(0, RULES, rest=-3).until == 0


def test_late_answer_does_not_shorten_a_rest() -> None:
    assert Breaker().failed(0, RULES, rest=50).failed(1, RULES, rest=2).until == 50


def test_answers_that_cannot_be_used_open_it_later_than_failures() -> None:
    breaker = Breaker().failed(0, RULES).failed(0, RULES)
    for _ in range(RULES.unusable - 1):
        breaker = breaker.spoiled(0, RULES)
        assert breaker.closed
    assert breaker.failed(0, RULES).closed
    assert breaker.spoiled(0, RULES).until == RULES.rest
    assert breaker.succeeded().spoiled(0, RULES).closed


def test_probe_whose_answer_cannot_be_used_has_it_rest_again() -> None:
    probing = broken().admitted(5.0, RULES)
    assert probing.spoiled(5.0, RULES).until == 15


def test_probe_that_never_reports_frees_its_place() -> None:
    probing = broken().admitted(5.0, RULES)
    assert probing.admits(5.0 + RULES.probe)
    assert probing.abandoned().admits(5.1)


@given(st.lists(st.tuples(st.sampled_from(["ok", "bad", "ask"]), st.floats(0, 100))))
def test_every_breaker_admits_again_at_some_time(events: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(), 0.0
    for kind, pause in events:
        now += pause
        if kind == "ok":
            breaker = breaker.succeeded()
        elif kind == "bad":
            breaker = breaker.failed(now, RULES)
        elif breaker.admits(now):
            breaker = breaker.admitted(now, RULES)
    assert breaker.admits(now + RULES.longest + RULES.probe)


def test_standings_measure_a_moving_mean_and_share_the_breaker() -> None:
    now = [0.0]
    standings = Standings(RULES, clock=lambda: now[0])
    standings.worked("m", 1.0)
    standings.worked("m", 2.0)
    assert standings.of("m").latency == 1.2
    for _ in range(3):
        standings.failed("m")
    assert standings.resting("m") == 5
    assert not standings.admit("m")
    now[0] = 5.0
    assert standings.resting("m") is None
    assert standings.admit("m")
    assert not standings.admit("m")
    standings.left("m")
    assert standings.admit("m")
    standings.worked("m", 1.0)
    assert standings.of("m").breaker.closed
