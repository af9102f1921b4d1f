import pytest

from concertmaster.retrieval.duplicates import repeats

CLAUSE = "Goods may be returned within thirty days of delivery, unworn and with the receipt."


@pytest.mark.parametrize("other", [CLAUSE, CLAUSE.upper(), f"  {CLAUSE}\n".replace(" ", "  ")])
def test_same_words_in_the_same_order_repeat(other: str) -> None:
    assert repeats(other, [CLAUSE])


def test_part_of_a_passage_repeats_it() -> None:
    longer = f"{CLAUSE} Refunds take five days."
    assert repeats(CLAUSE, [longer])
    assert not repeats(longer, [CLAUSE])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The fee of a card is 4 euros a year, paid in May.", "4:5"),
        ("The fee of a gold card is four euros a year.", "gold:silver"),
        ("You can cancel a card online at any time.", "can:cannot"),
        ("A card is free, and it is not insured.", "not:"),
    ],
)
def test_one_word_or_number_or_negation_that_differs_is_no_repetition(one: str, other: str) -> None:
    old, _, new = other.partition(":")
    assert not repeats(one.replace(old, new, 1), [one])
    assert not repeats(one, [one.replace(old, new, 1)])


def test_same_words_in_another_order_are_no_repetition() -> None:
    assert not repeats("Ana pays Ben, Ben thanks her", ["Ben thanks Ana, her pays Ben"])


def test_part_of_a_word_is_no_word() -> None:
    assert not repeats("a fee", ["a feed of news"])


def test_nothing_repeats_nothing() -> None:
    assert not repeats(CLAUSE, [])
