import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.words import coverage, names, numbers, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,250.00 and 1250", {"1250"}),
        ("1.250,50", {"1250.5"}),
        ("007", {"7"}),
        ("0", {"0"}),
        ("35.5 or 35,50", {"35.5"}),
        ("no number", set()),
        ("9" * 5000, {"9" * 5000}),
        ("0" * 5000 + "1", {"1"}),
    ],
    ids=lambda v: str(v)[:20],
)
def test_numbers_are_compared_by_value(text, found):
    assert numbers(text) == found


def test_words_are_stems_without_the_small_ones():
    assert words("The refunds are refunded to the customers") == words("refund customer")
    assert words("the of and") == frozenset()


def test_names_are_capitalised_words_inside_a_sentence():
    assert names("Refunds by Nordbank take long. Cards of Ana do not.") == {"nordbank", "ana"}


def test_coverage_is_the_share_of_the_claims_words():
    assert coverage("refund takes days", "A refund takes ten days") == 1.0
    assert coverage("refund takes months", "A refund takes ten days") == pytest.approx(2 / 3)
    assert coverage("", "anything") == 1.0


@given(st.text())
def test_any_text_has_words_numbers_and_names(text):
    assert coverage(text, text) == 1.0
    assert numbers(text) - numbers(text + " 1") == frozenset()
    assert all(n == n.lower() for n in names(text))
