import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.splitting import joins, split_message


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Refund order 12", ("Refund order 12",)),
        ("Refund order 12. When do you open?", ("Refund order 12.", "When do you open?")),
        (
            "Refund my order and also tell me when you open",
            ("Refund my order", "tell me when you open"),
        ),
        ("Refund order 12 and where is order 13?", ("Refund order 12", "where is order 13?")),
        ("a chair and a table", ("a chair and a table",)),
        ("Hello. Refund my order", ("Refund my order",)),
        ("", ()),
    ],
)
def test_clauses_end_where_another_request_may_begin(text, clauses):
    assert split_message(text) == clauses


@given(st.text(max_size=200))
def test_every_clause_stands_in_the_message(text):
    clauses = split_message(text)
    assert all(clause in text for clause in clauses)
    assert len(clauses) <= 8


def test_joining_words_are_seen():
    assert joins("refund it, and also track it")
    assert not joins("refund it and track it")
