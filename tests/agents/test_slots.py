import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.slots import fill, minor_units
from concertmaster.contracts.spec import SlotSpec

ORDER = SlotSpec(name="order_id", type="integer", pattern=r"(?:order|#)\s*#?(\d{4})", carry=True)
AMOUNT = SlotSpec(name="amount", type="money", required=False)


@pytest.mark.parametrize(
    ("raw", "cents"),
    [
        ("35", 3500),
        ("35.5", 3550),
        ("35,50", 3550),
        ("1,250.00", 125000),
        ("1.250,00", 125000),
        ("1'250", 125000),
        ("0.05", 5),
        ("euro", None),
    ],
)
def test_money_becomes_minor_units(raw, cents):
    assert minor_units(raw) == cents


@given(st.integers(min_value=0, max_value=10**12))
def test_written_cents_are_read_back(cents):
    assert minor_units(f"{cents // 100:,}.{cents % 100:02d}") == cents


@pytest.mark.parametrize(
    "text", ["refund €35.50 for order 1042", "35.50 EUR back on #1042", "35,50 euros, order 1042"]
)
def test_typed_slots_are_read_from_a_message(text):
    filled = fill((ORDER, AMOUNT), text)
    assert filled.values == {"order_id": 1042, "amount": 3550}
    assert filled.missing == ()


def test_missing_required_slot_is_named_and_optional_is_null():
    filled = fill((ORDER, AMOUNT), "I want my money back")
    assert [s.name for s in filled.missing] == ["order_id"]
    assert filled.values == {"order_id": None, "amount": None}


def test_only_slots_that_carry_look_back():
    filled = fill((ORDER, AMOUNT), "refund it", earlier={"order_id": 1042, "amount": 9900})
    assert filled.values == {"order_id": 1042, "amount": None}


def test_answering_the_question_keeps_every_earlier_value():
    earlier = {"order_id": None, "amount": 9900}
    filled = fill((ORDER, AMOUNT), "order 1042", earlier=earlier, answering=True)
    assert filled.values == {"order_id": 1042, "amount": 9900}


def test_enum_slot_knows_its_words():
    slot = SlotSpec(name="priority", type="enum", values={"high": ("urgent", "asap")})
    assert fill((slot,), "This is URGENT").values == {"priority": "high"}


def test_date_slot_is_iso_and_impossible_dates_are_not_read():
    slot = SlotSpec(name="day", type="date")
    assert fill((slot,), "on 24.12.2026").values == {"day": "2026-12-24"}
    assert fill((slot,), "on 31.02.2026").values == {"day": None}
