from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.retrieval.sentences import split_sentences, units

_PIECES = """# |## Fees~|- |1. |~|~~|> |A card costs $4.50. |See e.g. Fig. 3! |No|...|Is it? |----~
|日本。|word |**Bold.** |* |    |“Quoted.” |```~"""
_TABLE = ["| a | b |\n", "|---|---|\n", "\t"]
MARKDOWN = st.lists(
    st.sampled_from([*_PIECES.replace("\n", "").replace("~", "\n").split("|"), *_TABLE]),
    max_size=40,
).map("".join)


def sentences(text: str) -> list[str]:
    return [text[a:b] for a, b in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("It costs $4.50. Or 1,250.00 a year.", ["It costs $4.50.", "Or 1,250.00 a year."]),
        ("Ask Dr. Smith, e.g. On Monday.", ["Ask Dr. Smith, e.g. On Monday."]),
        (
            "See No. 5 and Fig. 3. The rest is no. Then go.",
            ["See No. 5 and Fig. 3.", "The rest is no.", "Then go."],
        ),
        ("Made by J. R. Tolkien. He wrote.", ["Made by J. R. Tolkien.", "He wrote."]),
        ("In the U.S. The fee is 3%.", ["In the U.S.", "The fee is 3%."]),
        (
            "Use v1.2.3 from www.example.com. Then stop.",
            ["Use v1.2.3 from www.example.com.", "Then stop."],
        ),
        ("He said “Stop.” She left.", ["He said “Stop.”", "She left."]),
        ("Wait... Then go.", ["Wait...", "Then go."]),
        ("これは文です。次の文。", ["これは文です。", "次の文。"]),
        ("A line\nthat wraps. Next.", ["A line\nthat wraps.", "Next."]),
    ],
)
def test_prose_is_split_where_sentences_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_list_items_come_without_their_markers() -> None:
    text = "Steps:\n\n1. Verify. Then ask\n   again.\n2) Go on\n- [x] done\n* 5.5% APY\n"
    assert sentences(text) == [
        "Steps:",
        "Verify.",
        "Then ask\n   again.",
        "Go on",
        "done",
        "5.5% APY",
    ]


def test_table_rows_are_sentences_and_headers_are_not() -> None:
    text = "| Fee | Value |\n|---|---:|\n| Overdraft | $0.00 |\n| ATM | 1% |\n"
    assert sentences(text) == ["Overdraft | $0.00", "ATM | 1%"]


def test_headings_are_units_with_levels_but_no_sentences() -> None:
    text = "Title\n=====\n\n## Fees ##\nFree.\n\nSub\n---\nMore."
    assert sentences(text) == ["Free.", "More."]
    found = [(text[u.start : u.end], u.level) for u in units(text) if u.kind == "heading"]
    assert found == [("Title", 1), ("Fees", 2), ("Sub", 2)]


def test_code_is_one_unit() -> None:
    assert sentences("```py\nx = 1. Foo\ny = 2\n```\nAfter.") == ["x = 1. Foo\ny = 2", "After."]


@given(MARKDOWN | st.text())
def test_spans_are_in_order_trimmed_and_not_blank(text: str) -> None:
    last = 0
    for unit in units(text):
        assert last <= unit.start < unit.end <= len(text)
        assert unit.block <= unit.start
        body = text[unit.start : unit.end]
        assert body == body.strip()
        last = unit.end


@given(MARKDOWN)
def test_no_word_outside_code_is_lost(text: str) -> None:
    kept = "".join(text[u.start : u.end] for u in units(text))
    for word in ("Fees", "card", "Bold", "Quoted"):
        assert kept.count(word) == text.count(word)


@pytest.mark.parametrize(
    "piece",
    [".", "- ", " ", "#", "a. ", "|-", "|\n", "-", "A.", "Foo. ", "*", ">", "`", "= ", "1. "],
)
def test_long_runs_of_markup_take_linear_time(piece: str) -> None:
    begun = perf_counter()
    units(piece * (300_000 // len(piece)) + "x")
    assert perf_counter() - begun < 3
