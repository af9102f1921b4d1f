"""The governance benchmark: its keys, its policies and its calls are what it says they are."""

import json
import subprocess
import sys

import pytest

from concertmaster.policies.engine import PolicyEngine

PARTS = {"canonical", "provenance", "facts", "cedar", "audit"}


@pytest.fixture(scope="module")
def bench(request):
    """The benchmark's own modules, as its script sees them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(request.config.rootpath / "benchmarks"))
        from governance import calls, rules

        yield calls, rules


@pytest.fixture(scope="module")
def desk(bench, request, tmp_path_factory):
    """The calls of the sample desk."""
    calls, _ = bench
    folder = request.config.rootpath / "examples" / "support_desk"
    return calls.make_desk(folder, tmp_path_factory.mktemp("data"))


def test_the_benchmark_runs_without_the_peer_and_tells_its_keys(root):
    done = subprocess.run(
        [
            sys.executable,
            "benchmarks/governance.py",
            *("--calls", "28", "--rounds", "1", "--no-peer"),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [level["policies"] for level in found["levels"]] == [5, 50, 500]
    for level in found["levels"]:
        assert set(level["parts"]) == PARTS
        assert all(taken > 0 for taken in level["parts"].values())
        assert 0 < level["gate_p50_ms"] <= level["gate_p99_ms"]
        assert level["sqlite_p50_ms"] > 0
        assert all(level["decisions"].values()), "calls of every outcome are measured"
    assert found["agt_p50_ms"] is None
    assert found["agt_p99_ms"] is None
    assert found["middleware_added_ms"] > 0
    assert found["environment"]["cores"] > 0


def test_calls_are_different_ones_and_rest_on_a_few_kilobytes(desk):
    different = {(c.call.tool, json.dumps(dict(c.call.arguments))) for c in desk.cases}
    assert len(different) >= 100
    assert {c.call.tool for c in desk.cases} == set(desk.tools)
    assert 2_000 < desk.source_bytes < 10_000


@pytest.mark.parametrize("count", [5, 50, 500])
def test_generated_policies_are_sound_and_for_one_and_for_all_tools(bench, desk, tmp_path, count):
    _, rules = bench
    chosen = rules.rules(count)
    (tmp_path / "generated.cedar").write_text(rules.as_cedar(chosen))
    engine = PolicyEngine.load(tmp_path, desk.tools.shapes())
    assert len(engine.policies) == count
    assert {rule.tools is None for rule in chosen} == {True, False}
    assert len(rules.as_peer(chosen)["rules"]) == count


def test_smaller_sets_of_policies_are_beginnings_of_larger_ones(bench):
    _, rules = bench
    assert rules.rules(500)[:50] == rules.rules(50)
