"""Obligations, from text to needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import Deadline, Notify, Redact, ReviewNeed
from concertmaster.policies.obligations import (
    Obligation,
    merge_duties,
    merge_needs,
    parse_obligation,
    split_obligations,
)


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("review:finance", ReviewNeed(role="finance")),
        ("review:1-of:finance", ReviewNeed(role="finance")),
        ("review:2-of:risk", ReviewNeed(role="risk", count=2)),
        ("review:team-lead_2", ReviewNeed(role="team-lead_2")),
        ("redact:iban", Redact(field="iban")),
        ("redact:account_number", Redact(field="account_number")),
        ("notify:legal", Notify(role="legal")),
        ("deadline:2h:reject", Deadline(seconds=7200)),
        ("deadline:90s:reject", Deadline(seconds=90)),
        ("deadline:0.5d:escalate:team-lead", Deadline(seconds=43200, then="escalate:team-lead")),
    ],
)
def test_known_forms_are_understood(text: str, need: Obligation):
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
        "redact:",
        "redact:a b",
        "redact:1a",
        "notify:",
        "notify:a,b",
        "Redact:iban",
        "deadline",
        "deadline:2h",
        "deadline:2h:",
        "deadline:2h:allow",
        "deadline:2h:approve",
        "deadline:2h:escalate",
        "deadline:2h:escalate:",
        "deadline:2h:escalate:a:b",
        "deadline:2:reject",
        "deadline:2 h:reject",
        "deadline:-2h:reject",
        "deadline:0h:reject",
        "deadline:1e3s:reject",
        "deadline:infs:reject",
        "deadline:nans:reject",
        "deadline:٢h:reject",
        "deadline:367d:reject",
        "deadline:999999999999d:reject",
        "deadline:500ms:reject",
        "deadline:2H:reject",
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


def test_duties_are_merged_redactions_first():
    merged = merge_duties(
        [Notify(role="b"), Redact(field="x"), Notify(role="a"), Notify(role="b"), Redact(field="x")]
    )
    assert merged == (Redact(field="x"), Notify(role="a"), Notify(role="b"))
