from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.models.waiting import FIRST, LONGEST, PATIENT, backoff, pause_before, retry_after

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_lies_between_nothing_and_a_bound_that_doubles(failures: int, draw: float) -> None:
    assert 0 <= backoff(failures, draw) <= min(FIRST * 2 ** min(failures - 1, 30), LONGEST)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        ("1.5", 1.5),
        ("-3", 0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=900), usegmt=True), 0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("Mon, 99 Foo 2026 12:00:00 GMT", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": header}, NOW.timestamp()) == seconds


def test_milliseconds_are_more_exact() -> None:
    assert retry_after({"retry-after": "1", "retry-after-ms": "250"}, 0) == 0.25
    assert retry_after({}, 0) is None


@given(st.text())
def test_any_header_is_survived(text: str) -> None:
    found = retry_after({"retry-after": text}, 0)
    assert found is None or found >= 0


def test_what_a_provider_asks_for_is_waited_in_full_or_not_at_all() -> None:
    assert pause_before(1, PATIENT, 0.5) == PATIENT + backoff(1, 0.5)
    assert pause_before(1, PATIENT + 0.1, 0.5) is None
    assert pause_before(3, None, 0.5) == backoff(3, 0.5)
