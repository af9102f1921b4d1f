from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import ANONYMOUS, Confidentiality, Principal, Trust
from concertmaster.retrieval.access import day, label_of, parse_readers, where

ANA = Principal(id="ana", roles=("customer",), groups=("eu",))


def test_public_stands_for_everyone_and_repetitions_go() -> None:
    assert parse_readers(["public", "role:a", "everyone", "role:a"]) == ("everyone", "role:a")


@pytest.mark.parametrize(
    "entry",
    ["staff", "", "role:", "role: x", "Role:x", "user:x", "role:a b", "everyone ", "all", "*"],
)
def test_unknown_form_of_reader_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no reader"):
        parse_readers([entry])


def test_no_reader_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody could read"):
        parse_readers([])


def test_filter_names_only_grants_that_occur() -> None:
    known = {"everyone", "role:customer", "role:staff"}
    assert where(ANA, known, None) == {
        "$or": [{"readers": {"$contains": "everyone"}}, {"readers": {"$contains": "role:customer"}}]
    }
    assert where(ANONYMOUS, known, None) == {"readers": {"$contains": "everyone"}}


def test_nothing_to_find_is_no_filter() -> None:
    assert where(ANA, {"role:staff"}, None) is None
    assert where(ANA, set(), 20260101) is None


def test_filter_bounds_the_days_of_validity() -> None:
    assert where(ANONYMOUS, {"everyone"}, 20260301) == {
        "$and": [
            {"readers": {"$contains": "everyone"}},
            {"from": {"$lte": 20260301}},
            {"until": {"$gte": 20260301}},
        ]
    }


@given(st.dates(), st.dates())
def test_days_compare_like_dates(a: date, b: date) -> None:
    assert (day(a) < day(b)) == (a < b)


@pytest.mark.parametrize(
    ("readers", "level"),
    [
        (("role:staff", "everyone"), Confidentiality.public),
        (("role:staff",), Confidentiality.internal),
        (("group:legal",), Confidentiality.restricted),
        (("principal:ana",), Confidentiality.restricted),
        ((), Confidentiality.restricted),
    ],
)
def test_label_follows_the_readers(readers: tuple[str, ...], level: Confidentiality) -> None:
    label = label_of("doc", readers)
    assert (label.confidentiality, label.trust, label.sources) == (level, Trust.trusted, ("doc",))
