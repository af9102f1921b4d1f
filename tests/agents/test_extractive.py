from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.extractive import cite, extract, plain
from concertmaster.contracts import Evidence

TEXT = (
    "# Returns\n\nA return takes **14 days** from the arrival of the parcel. Is that long? "
    "Send the parcel back with the label:\n\n- Print the label at home.\n- Bring it to any shop."
)


def passage(number, text, title="Returns", section="", start=0):
    return Evidence(
        number=number,
        document=f"doc-{number}",
        version="v1",
        title=title,
        section=section,
        text=text,
        start=start,
        end=start + len(text),
        score=1.0,
        readers=("everyone",),
    )


def test_sentence_that_answers_comes_with_where_it_stands():
    found = extract("How long does a return take?", [passage(1, TEXT, start=500)])
    assert found[0].text == "A return takes 14 days from the arrival of the parcel."
    citation = found[0].citations[0]
    cited = TEXT[citation.start - 500 : citation.end - 500]
    assert plain(cited) == found[0].text


def test_nothing_in_common_gives_nothing():
    assert extract("Who won the football match?", [passage(1, TEXT)]) == ()
    assert extract("anything", []) == ()
    assert extract("", [passage(1, TEXT)]) == ()


def test_questions_and_introductions_are_no_answers():
    texts = [s.text for s in extract("label parcel long", [passage(1, TEXT)])]
    assert not any(t.endswith(("?", ":")) for t in texts)


def test_same_sentence_in_two_documents_is_said_once():
    twice = [passage(1, "Returns take 14 days in all."), passage(2, "Returns take 14 days in all.")]
    found = extract("How many days do returns take?", twice)
    assert [s.citations[0].number for s in found] == [1]


def test_no_more_sentences_than_asked_for():
    text = " ".join(f"Returns of kind {n} take {n} days in all." for n in range(1, 12))
    assert len(extract("How many days do returns take?", [passage(1, text)], most=2)) <= 2


def test_markup_is_dropped_and_the_words_stay():
    assert plain("- **Bold** and `code`\n  over two lines") == "Bold and code over two lines"
    assert plain("1) First") == "First"
    assert plain("## Heading") == "Heading"


def test_citation_counts_from_the_start_of_the_document():
    citation = cite(passage(3, "abcdef", start=100), 2, 4)
    assert (citation.number, citation.start, citation.end) == (3, 102, 104)


@given(st.text(max_size=300), st.text(max_size=60))
def test_every_extract_stands_in_its_passage(text, query):
    for sentence in extract(query, [passage(1, text)]):
        citation = sentence.citations[0]
        assert sentence.text == plain(text[citation.start : citation.end])
        assert 0 <= citation.start < citation.end <= len(text)
