"""Baselines: stored, read, and what has become worse."""

import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from concertmaster.errors import ConfigError
from concertmaster.evaluation.baseline import baseline_of, compare, read_baseline, write_baseline
from concertmaster.evaluation.cases import Case
from concertmaster.evaluation.evaluators import Judged
from concertmaster.evaluation.offline import Evaluation
from concertmaster.evaluation.recorded import Recorded
from concertmaster.evaluation.scores import Score
from concertmaster.evaluation.verdict import conclude

NONE = MappingProxyType({})


def judged(name, score=1.0, *, tags=(), key="intent", broken=NONE, **more):
    case = Case.model_validate(
        {"id": name, "principal": "ana", "messages": ["x"], "tags": tags,
         "expected": {"status": "answered"}}
    )  # fmt: skip
    given = Score(key=key, score=score, passed=None if score is None else score >= 1, **more)
    return Judged(case, Recorded(case=name), (given,), broken)


def evaluation(*cases, **more):
    basis = {
        "workflow": "w", "dataset": "d.jsonl", "digest": "sha256:x", "judged": cases,
        "total": len(cases), "seconds": 1.0, "versions": {}, "refused": {},
    }  # fmt: skip
    return Evaluation(**{**basis, **more})


def test_baseline_is_read_as_it_was_written(tmp_path):
    kept = baseline_of(evaluation(judged("a"), judged("b", 0.5)), tolerance=0.1)
    write_baseline(tmp_path / "b.json", kept)
    assert read_baseline(tmp_path / "b.json") == kept


def test_same_result_is_no_regression():
    found = evaluation(judged("a"), judged("b", 0.5))
    verdict = conclude(found, baseline_of(found))
    assert (verdict.holds, verdict.comparison.regressions) == (True, ())


def test_case_that_newly_fails_is_one_even_if_another_newly_passes():
    before = baseline_of(evaluation(judged("a"), judged("b", 0.0)))
    verdict = conclude(evaluation(judged("a", 0.0), judged("b")), before)
    assert verdict.comparison.newly_failing == ("a",)
    assert verdict.comparison.newly_passing == ("b",)
    assert "passed before and fail now: a" in verdict.findings[0]


def test_fallen_mean_is_one_without_any_newly_failing_case():
    before = baseline_of(evaluation(judged("a", 0.9)))
    verdict = conclude(evaluation(judged("a", 0.4)), before)
    assert verdict.findings == ("intent fell from 0.900 to 0.400",)


def test_tolerance_lets_a_little_pass():
    cases = [judged(f"c{n}") for n in range(10)]
    before = baseline_of(evaluation(*cases), tolerance=0.1)
    one = evaluation(judged("c0", 0.0), *cases[1:])
    assert conclude(one, before).holds
    assert not conclude(one, before, tolerance=0.05).holds
    assert not conclude(evaluation(judged("c0", 0.0), judged("c1", 0.0), *cases[2:]), before).holds


def test_score_that_is_no_longer_given_counts_as_lost():
    before = baseline_of(evaluation(judged("a")))
    assert not conclude(evaluation(judged("a", None)), before).holds


def test_dearer_cases_are_a_regression():
    before = baseline_of(evaluation(judged("a", 0.1, key="cost", unit="USD")))
    dear = evaluation(judged("a", 0.2, key="cost", unit="USD"))
    assert any("costs 0.2000 USD" in told for told in compare(dear, before).regressions)


def test_latency_is_neither_kept_nor_compared():
    kept = baseline_of(evaluation(judged("a", 3.0, key="latency", unit="s")))
    assert (kept.means, kept.cases["a"].scores) == ({}, {})


def test_new_case_has_to_pass_and_a_gone_one_is_told():
    before = baseline_of(evaluation(judged("a"), judged("b")))
    verdict = conclude(evaluation(judged("a"), judged("c", 0.0)), before)
    assert [f.split(":")[0] for f in verdict.findings] == [
        "1 cases that the baseline does not have fail",
        "1 cases of the baseline are gone",
    ]
    filtered = evaluation(judged("a"), filtered=("x",))
    assert conclude(filtered, before).holds


def test_without_a_baseline_every_case_has_to_pass_but_known_weaknesses():
    weak = judged("weak", 0.0, tags=("known-weakness",))
    assert conclude(evaluation(judged("a"), weak), None).holds
    assert not conclude(evaluation(judged("a"), judged("b", 0.0)), None).holds


def test_evaluator_that_raised_and_an_interruption_are_findings_in_any_case():
    broken = evaluation(judged("a", broken={"mine": "raised"}))
    assert "evaluator mine raised for 1 of 1 cases" in conclude(broken, None).findings
    half = evaluation(judged("a"), total=2, interrupted=True)
    before = baseline_of(replace(half, total=1, interrupted=False))
    assert conclude(half, before).findings == ("1 of 2 cases were played",)
    for unfit in (broken, half, evaluation(judged("a"), filtered=("x",))):
        with pytest.raises(ConfigError):
            baseline_of(unfit)


@pytest.mark.parametrize("content", [None, "", "[]", "{", json.dumps({"schema_version": 9})])
def test_file_that_is_no_baseline_is_refused(tmp_path, content):
    file = tmp_path / "b.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError) as raised:
        read_baseline(file)
    assert "--save-baseline" in raised.value.hint


def test_baseline_of_another_workflow_is_refused():
    before = baseline_of(evaluation(judged("a"), workflow="other"))
    with pytest.raises(ConfigError):
        compare(evaluation(judged("a")), before)
