"""Estimates of tokens against counts of tokenizers that differ much."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.models.counting import Gauge, estimate

SAMPLES = (
    "How long do I have to return a lamp?",
    "Please refund order 1058, 35.50 EUR, to NL91 ABNA 0417 1643 00 and mail ana@shop.example.",
    "Wie lange habe ich Zeit, um die Stehlampe zurückzugeben, die ich gestern gekauft habe?",
    "我昨天买的落地灯可以在多少天内退货？请告诉我需要哪些单据。",
    '{"order_id": 1058, "total_cents": 12000, "items": [{"sku": "LMP-1", "quantity": 2}]}',
    "You have 30 days from delivery to return something, without giving a reason. " * 20,
    "def refund(order_id: int) -> None:\n    raise NotImplementedError\n" * 5,
)


def pieces(text):
    """Words cut at six characters, runs of marks, a character of another script alone."""
    return len(re.findall(r"[a-zA-Z]{1,6}|\d{1,3}|[!-/:-@\[-`{-~]+|[^\x00-\x7f]", text))


def prompt(text):
    return [{"role": "system", "content": "You answer for the desk."}, *asked(text)]


def asked(text):
    return [{"role": "user", "content": text}]


COUNTERS = {
    "pieces": lambda text: pieces(text) + 8,
    "four bytes": lambda text: len(text.encode()) // 4 + 8,
    "two bytes": lambda text: len(text.encode()) // 2 + 8,
    "every byte": lambda text: len(text.encode()) + 8,
}


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("name", ["pieces", "four bytes"])
def test_first_estimate_is_not_below_what_usual_tokenizers_count(name, sample):
    text = f"You answer for the desk.{sample}"
    assert estimate(prompt(sample)) >= 0.9 * COUNTERS[name](text)


@pytest.mark.parametrize("name", COUNTERS)
def test_measured_estimate_is_not_below_the_count_whatever_the_tokenizer(name):
    count, gauge = COUNTERS[name], Gauge()
    for _ in range(2):
        for sample in SAMPLES:
            before = estimate(asked(sample))
            gauge.learn("m", estimated=before, reported=count(sample))
    for sample in SAMPLES:
        assert gauge.count("m", estimate(asked(sample))) >= 0.95 * count(sample)


def test_estimate_comes_down_slowly_for_a_model_that_counts_less():
    gauge = Gauge()
    gauge.learn("m", estimated=100, reported=200)
    for _ in range(40):
        gauge.learn("m", estimated=100, reported=80)
    assert 80 < gauge.count("m", 100) < 100


def test_models_are_measured_each_for_itself():
    gauge = Gauge()
    gauge.learn("a", estimated=100, reported=300)
    assert (gauge.count("a", 100), gauge.count("b", 100)) == (330, 100)


@given(st.lists(st.integers(min_value=-(10**12), max_value=10**12), max_size=30))
def test_what_a_provider_reports_moves_the_estimate_within_bounds_only(reported):
    gauge = Gauge()
    for count in reported:
        gauge.learn("m", estimated=100, reported=count)
    assert 50 <= gauge.count("m", 100) <= 400


def test_silent_provider_changes_nothing():
    gauge = Gauge()
    gauge.learn("m", estimated=100, reported=0)
    assert gauge.count("m", 100) == 100


def test_what_is_remembered_is_bounded():
    gauge = Gauge()
    for number in range(2000):
        gauge.learn(f"m-{number}", estimated=100, reported=200)
    assert len(gauge._ratios) <= 512
