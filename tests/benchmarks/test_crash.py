"""The crash benchmark: every boundary is come past, and nothing is lost or doubled at any."""

import json
import subprocess
import sys

import pytest

KEYS = {
    "kills",
    "runs",
    "boundaries",
    "takeovers",
    "lost_effects",
    "doubled_effects",
    "stuck_runs",
    "in_doubt_to_person",
}


@pytest.fixture(scope="module")
def bench(request):
    """The benchmark's own modules, as its script sees them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(request.config.rootpath / "benchmarks"))
        from crash import boundaries, scenario, shop

        yield boundaries.BOUNDARIES, shop.KINDS, scenario


def test_one_strike_at_every_boundary_loses_and_doubles_nothing(root, bench):
    boundaries, _, _ = bench
    done = subprocess.run(
        [sys.executable, "benchmarks/crash.py", "--kills", str(len(boundaries)), "--seed", "7"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() >= KEYS
    assert found["problems"] == 0, done.stderr[-4000:]
    assert found["kills"] == found["runs"] == found["boundaries"] == len(boundaries)
    assert found["takeovers"] > 0
    assert found["fenced"] > 0
    assert found["lost_effects"] == found["doubled_effects"] == found["stuck_runs"] == 0
    assert found["environment"]["cores"] > 0


def test_each_combination_comes_up_once_and_what_follows_are_chains(bench):
    boundaries, kinds, scenario = bench
    grid = len(boundaries) * len(kinds) * 2
    planned = scenario.scenarios(boundaries, kinds, None, 1)
    assert len({(s.boundary, s.kind, s.pause) for s in planned}) == len(planned) == grid
    more = scenario.scenarios(boundaries, kinds, grid + 5, 1)
    assert [s.again is not None for s in more] == [False] * grid + [True] * 5
    assert more == scenario.scenarios(boundaries, kinds, grid + 5, 1)
    assert planned != scenario.scenarios(boundaries, kinds, None, 2)


def test_a_few_strikes_are_spread_over_the_boundaries(bench):
    boundaries, kinds, scenario = bench
    few = scenario.scenarios(boundaries, kinds, len(boundaries), 3)
    assert {s.boundary for s in few} == set(boundaries)


def test_what_is_counted_is_what_was_seen(bench):
    boundaries, kinds, scenario = bench
    played = scenario.Scenario("x", boundaries[0], kinds[0], False)
    made = scenario.Finding
    assert made(played, effects=0, status="answered").lost
    assert made(played, effects=0, status="failed").lost
    assert not made(played, effects=0, status="escalated", doubt=True).lost
    assert made(played, effects=2, status="escalated", doubt=True).doubled
    assert made(played, effects=1, status="running").stuck
    assert made(played, effects=1, status="awaiting_review").stuck
