"""The measure of support: its features, and that its weights are what the fit gives."""

import importlib.util
import json

import pytest

from concertmaster.agents import grounding
from concertmaster.agents.grounding import THRESHOLD, features, groundedness

SOURCE = "Refunds reach your account within five business days."


def test_statement_that_stands_word_for_word_is_supported():
    assert groundedness(SOURCE, SOURCE) > 0.9


@pytest.mark.parametrize(
    ("claim", "place", "value"),
    [
        ("Yes, refunds reach your account.", 2, 1.0),
        ("I think refunds reach your account.", 3, 1.0),
        ("Do refunds reach your account?", 4, 1.0),
        ("Refunds do not reach your account.", 5, 1.0),
        ("Refunds reach your account.", 0, 1.0),
    ],
)
def test_feature_tells_what_it_is_named_for(claim, place, value):
    assert features(claim, SOURCE)[place] == value
    assert groundedness(claim, SOURCE) <= groundedness("Refunds reach your account.", SOURCE)


def test_claim_without_a_word_is_no_claim_that_is_supported():
    assert groundedness("!?", SOURCE) < THRESHOLD
    assert groundedness("", "") < THRESHOLD


def test_shipped_weights_are_those_of_the_fit(root, shared_data):
    np = pytest.importorskip("numpy")
    spec = importlib.util.spec_from_file_location("fit", root / "scripts" / "fit_grounding.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    lines = (shared_data / "begin_wow" / "dev.jsonl").read_text().splitlines()
    examples = [json.loads(line) for line in lines]
    matrix = np.array([features(e["response"], e["evidence"]) for e in examples])
    weights, bias = script.fit(matrix, np.array([int(e["supported"]) for e in examples]))
    assert weights == pytest.approx(grounding._WEIGHTS, abs=0.002)
    assert bias == pytest.approx(grounding._BIAS, abs=0.002)
