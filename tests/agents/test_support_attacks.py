"""Drafts that look right and are not: each has to be found out, and its honest twin has to pass."""

import pytest

from concertmaster.agents.support import check_claim, check_sentence
from concertmaster.contracts import Citation, Evidence, Sentence

FEES = (
    "# Cards\n\nThe Gold card costs 5 EUR a month, and the Silver card costs 10 EUR a month."
    " Refunds reach your account within 5 business days. Transfers to Norway take 10 business days."
    " A cash advance cannot be refunded. Statements are sent before the end of the month."
    " The branch in Bergen opens on 7 June and closes on 8 September."
    " Nordbank owes Southbank the difference. The overdraft fee is 12%."
    ' The rule reads: "fees are waived for students under 26".'
)


def objections(claim, *passages):
    return {f.check for f in check_claim(0, claim, passages or (FEES,))}


@pytest.mark.parametrize(
    "claim",
    [
        "The Gold card costs 5 EUR a month.",
        "Refunds reach your account within five business days.",
        "Your refund will be on your account within 5 business days.",
        "A cash advance can't be refunded.",
        "The branch in Bergen opens on 7 June.",
        "Southbank is owed the difference by Nordbank.",
        "The overdraft fee is 12 percent.",
        'The rule reads: "fees are waived for students under 26".',
        "The **Gold** card costs `5 EUR` a month.",
    ],
)
def test_honest_statements_pass(claim):
    assert objections(claim) == set()


@pytest.mark.parametrize(
    ("claim", "check"),
    [
        ("The Gold card costs 6 EUR a month.", "number"),
        ("Refunds reach your account within three business days.", "number"),
        ("Refunds reach your account within 10 business days.", "number"),
        ("The Gold card costs 10 EUR a month.", "number"),
        ("The Silver card costs 5 EUR a month, and the Gold card costs 10 EUR.", "number"),
        ("The branch in Bergen opens on 8 June.", "unit"),
        ("The branch in Bergen opens on 6 June.", "number"),
        ("The branch in Bergen opens on 8 September.", "number"),
        ("The Gold card costs 5 USD a month.", "unit"),
        ("Refunds reach your account within 5 business weeks.", "unit"),
        ("Refunds reach your account within 5 calendar days.", "unit"),
        ("The overdraft fee is 12 EUR.", "unit"),
        ("The overdraft fee is 12k EUR.", "number"),
        ("The overdraft fee is 12 million.", "number"),
    ],
)
def test_figure_that_was_swapped_is_found(claim, check):
    assert check in objections(claim)


@pytest.mark.parametrize(
    "claim",
    [
        "A cash advance can be refunded.",
        "Refunds never reach your account within 5 business days.",
        "The Gold card doesn't cost 5 EUR a month.",
        "Statements are sent after the end of the month.",
    ],
)
def test_claim_that_was_turned_round_is_found(claim):
    assert "negation" in objections(claim)


def test_prefix_that_turns_a_word_round_is_found():
    source = "The deposit is non-refundable. The insurance is transferable."
    assert "negation" in objections("The deposit is refundable.", source)
    assert objections("The deposit is non-refundable.", source) == set()


@pytest.mark.parametrize(
    "claim", ["Southbank owes Nordbank the difference.", "Westbank owes Southbank the difference."]
)
def test_name_that_was_swapped_is_found(claim):
    assert objections(claim) & {"name", "support"}


def test_name_inside_of_another_word_is_not_that_name():
    assert "name" in objections("The banana costs what Ana says.", "The banana costs what we say.")


def test_quote_that_was_altered_by_one_word_is_found():
    altered = 'The rule reads: "fees are waived for students under 28".'
    assert "number" in objections(altered)
    altered = 'The rule reads: "fees are waived for students over 26".'
    assert "quote" in objections(altered)
    altered = "The rule reads: “fees are reduced for students under 26”."
    assert "quote" in objections(altered)


@pytest.mark.parametrize(
    "claim",
    [
        "The Gold card costs 1\u200b5 EUR a month.",
        "The Gold card costs **1**5 EUR a month.",
        "The Gold card costs 5<!-- -->0 EUR a month.",
        "The Gold card costs １５ EUR a month.",
        "The Gold card costs [1](https://a.example)5 EUR a month.",
        "The Gold card costs \u0661\u0665 EUR a month.",
        "The Gold card costs 1\u20605 EUR a month.",
    ],
)
def test_figure_is_read_as_its_reader_sees_it(claim):
    assert "number" in objections(claim)


def test_part_of_a_sentence_is_not_the_sentence():
    source = "No claim is paid if the item was sold. Returns are free."
    assert "negation" in objections("Claim is paid.", source)


def test_first_person_and_questions_are_no_support():
    assert "support" in objections("I'm not sure but I love the Gold card, don't you?")


def evidence(text=FEES):
    return {
        1: Evidence(
            number=1, document="fees", version="v1", title="Cards", text=text, start=0,
            end=len(text), score=1.0, readers=("everyone",),
        )
    }  # fmt: skip


def found(text, *, given="", cited=True, basis="evidence"):
    citation = Citation(number=1, document="fees", version="v1", title="Cards", start=0, end=10)
    sentence = Sentence(text=text, basis=basis, citations=(citation,) if cited else ())
    return [f.check for f in check_sentence(0, sentence, evidence(), (), given)]


def test_what_only_the_principal_wrote_supports_no_statement_on_evidence():
    claim = "The Platinum card costs 99 EUR a month."
    assert "number" in found(claim, given="I read that the Platinum card costs 99 EUR a month?")


def test_claim_that_is_split_across_sentences_has_each_half_checked():
    assert found("The Gold card costs nothing.")
    assert found("And 3 EUR a year.")
    assert found("That holds for everybody.", cited=False) == ["citation"]


def test_claim_drawn_from_far_apart_is_not_supported_by_the_words_alone():
    filler = " ".join(f"Paragraph about parking lot letter {c}." for c in "abcdefghij")
    source = f"Students travel by bus. {filler} Pensioners receive vouchers yearly for museums."
    claim = "Students receive museum vouchers yearly."
    assert "name" in objections(claim, source)
    assert objections("Pensioners receive vouchers yearly for museums.", source) == set()


def test_statement_may_join_what_two_passages_say():
    claim = "The Gold card costs 5 EUR and the lounge is open at nine."
    assert objections(claim, "The Gold card costs 5 EUR.", "The lounge is open at nine.") == set()


def test_objection_says_what_source_it_would_take():
    finding = check_claim(0, "The Gold card costs 12 EUR.", [FEES])[0]
    assert finding.needs == "a source that states 12 EUR"


@pytest.mark.parametrize("size", [10_000, 100_000])
@pytest.mark.parametrize("piece", ["a", "1", '"', "(", "<!--", "$", "- ", "1.", "not ", "A. "])
def test_hostile_text_comes_to_an_end(piece, size):
    text = piece * (size // len(piece))
    assert isinstance(check_claim(0, text[:5000], [text]), list)
