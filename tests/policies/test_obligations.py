"""Obligations, from text to needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import ReviewNeed
from concertmaster.policies.obligations import merge_needs, parse_obligation, split_obligations


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("review:finance", ReviewNeed(role="finance")),
        ("review:1-of:finance", ReviewNeed(role="finance")),
        ("review:2-of:risk", ReviewNeed(role="risk", count=2)),
        ("review:team-lead_2", ReviewNeed(role="team-lead_2")),
    ],
)
def test_review_is_understood(text: str, need: ReviewNeed):
    assert parse_obligation(text) == need


@pytest.mark.parametrize(
    "text",
    [
        "",
        "review",
        "review:",
        "review: finance",
        " review:finance",
        "review:finance ",
        "review:finance\n",
        "REVIEW:finance",
        "review:0-of:risk",
        "review:-1-of:risk",
        "review:100-of:risk",
        "review:2-of:",
        "review:2of:risk",
        "review:a:b",
        "review:fınance",
        "redact:iban",
    ],
)
def test_anything_else_is_not(text: str):
    assert parse_obligation(text) is None


def test_commas_separate_obligations():
    assert split_obligations("review:a , review:2-of:b") == ("review:a", "review:2-of:b")


needs = st.lists(
    st.builds(ReviewNeed, role=st.sampled_from("abc"), count=st.integers(1, 5)), max_size=6
)


@given(needs, needs)
def test_union_asks_for_at_least_as_much_and_ignores_order(one: list[ReviewNeed], two):
    union = {need.role: need.count for need in merge_needs([*one, *two])}
    assert all(union[need.role] >= need.count for need in (*one, *two))
    assert merge_needs([*two, *one]) == merge_needs([*one, *two])
    assert merge_needs(merge_needs(one)) == merge_needs(one)
