from hypothesis import given
from hypothesis import strategies as st

from concertmaster.retrieval.chunking import LONGEST, chunks

PARTS = st.lists(
    st.sampled_from(
        ["# Title\n\n", "## Fees\n", "### Cards\n", "- item one\n", "| a | b |\n|-|-|\n"]
    )
    | st.integers(1, 60).map(lambda n: "A card is free of charge. " * n + "\n\n")
    | st.integers(1, 2500).map(lambda n: "x" * n),
    max_size=15,
).map("".join)


@given(PARTS | st.text(max_size=3000))
def test_passages_are_spans_in_order_that_leave_out_no_words(text: str) -> None:
    found = chunks(text)
    last = 0
    for chunk in found:
        assert last <= chunk.start < chunk.end <= len(text)
        assert chunk.end - chunk.start <= LONGEST
        last = chunk.end
    outside = list(text)
    for chunk in found:
        outside[chunk.start : chunk.end] = " " * (chunk.end - chunk.start)
    assert not any(c.isalnum() for c in _without_fences("".join(outside)))


def _without_fences(text: str) -> str:
    """Leave out the language after an opening fence, which is markup."""
    return "\n".join(line for line in text.split("\n") if not line.strip().startswith(("`", "~")))


def test_passages_of_a_long_text_have_the_agreed_length() -> None:
    text = "\n\n".join(f"## Part {n}\n\n" + "A card is free of charge. " * 25 for n in range(20))
    lengths = [c.end - c.start for c in chunks(text)]
    assert len(lengths) > 15
    assert all(400 <= length <= LONGEST for length in lengths[:-1])


def test_section_is_the_path_of_headings() -> None:
    body = "A card is free of charge. " * 20
    text = f"# Bank\n\n{body}\n\n## Cards\n\n{body}\n\n### Gold\n\n{body}\n\n## Loans\n\n{body}"
    assert [c.section for c in chunks(text)] == [
        "Bank",
        "Bank > Cards",
        "Bank > Cards > Gold",
        "Bank > Loans",
    ]


def test_heading_stays_with_what_follows() -> None:
    text = "A card is free of charge. " * 33 + "\n\n## Loans\n\n" + "Loans cost money. " * 20
    first, second = chunks(text)
    assert not text[first.start : first.end].rstrip().endswith("Loans")
    assert text[second.start : second.end].startswith("## Loans")


def test_sentences_are_not_cut() -> None:
    text = "This sentence is about the fees of cards. " * 60
    assert all(text[c.start : c.end].endswith(".") for c in chunks(text))


def test_a_word_longer_than_a_passage_is_cut_hard() -> None:
    assert [c.end - c.start for c in chunks("x" * 2000)] == [900, 900, 200]


def test_text_without_words_has_no_passages() -> None:
    assert chunks(" \n\n---\n") == []
