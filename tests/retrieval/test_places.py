"""Every passage says where it stands, and stands there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import Evidence, Principal
from concertmaster.retrieval.changes import Changes
from concertmaster.retrieval.chunking import chunks
from concertmaster.retrieval.documents import Document
from concertmaster.retrieval.places import Mark, place
from concertmaster.retrieval.reading import Part, Reading

ANA = Principal(id="ana")


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (0, 5, "p. 1"),
        (12, 20, "p. 2"),
        (5, 11, "pp. 1–2"),
        (5, 10, "p. 1"),
        (25, 40, "p. 3 to table 1"),
        (35, 40, "table 1"),
    ],
)
def test_place_names_what_a_span_touches(start: int, end: int, told: str) -> None:
    marks = (Mark(0, "page", 1), Mark(10, "page", 2), Mark(22, "page", 3), Mark(30, "table", 1))
    assert place(marks, start, end) == told


def test_no_marks_no_place() -> None:
    assert place((), 0, 10) == ""
    assert place((Mark(20, "page", 1),), 0, 10) == ""


SENTENCES = st.lists(
    st.sampled_from(
        ("A card is free.", "It costs 12 euros, e.g. abroad.", "## Limits\n\n", "x" * 950)
    ),
    max_size=40,
).map(" ".join)


@given(st.lists(SENTENCES | st.text(max_size=200), max_size=8), st.sampled_from(("page", "row")))
def test_each_passage_is_text_of_the_parts_that_its_place_names(
    texts: list[str], kind: str
) -> None:
    parts = [Part(text, kind, number) for number, text in enumerate(texts, start=1)]
    read = Reading.of(parts)
    spans = [*(mark.at for mark in read.marks), len(read.text)]
    for mark, start, end in zip(read.marks, spans, spans[1:], strict=False):
        # A mark stands where its part begins.
        part = Reading.of([Part(texts[mark.number - 1])]).text
        assert read.text[start:end].rstrip("\n") == part.rstrip("\n")
    for chunk in chunks(read.text, [m.at for m in read.marks]):
        numbers = [int(n) for n in re.findall(r"\d+", place(read.marks, chunk.start, chunk.end))]
        touched = [
            mark.number
            for mark, start, end in zip(read.marks, spans, spans[1:], strict=False)
            if start < chunk.end and chunk.start < end
        ]
        assert (numbers[0], numbers[-1]) == (touched[0], touched[-1])


@given(SENTENCES, st.lists(st.integers(0, 3000), max_size=6))
def test_breaks_leave_out_no_words(text: str, breaks: list[int]) -> None:
    outside = list(text)
    last = 0
    for chunk in chunks(text, breaks):
        assert last <= chunk.start < chunk.end
        last = chunk.end
        outside[chunk.start : chunk.end] = " " * (chunk.end - chunk.start)
    assert not any(c.isalnum() for c in "".join(outside))


def test_long_enough_passage_ends_with_its_page() -> None:
    first, second = "A card is free. " * 40, "Loans cost money. " * 40
    read = Reading.of([Part(first, "page", 1), Part(second, "page", 2)])
    places = [place(read.marks, c.start, c.end) for c in chunks(read.text, (read.marks[1].at,))]
    assert places == ["p. 1", "p. 2"]


def test_where_leaves_the_title_out() -> None:
    found = Evidence(
        number=1,
        document="fees",
        version="v",
        title="Fees",
        section="Fees > Cards > Limits",
        place="p. 3",
        text="x",
        start=0,
        end=1,
        score=1.0,
        readers=("everyone",),
    )
    assert found.where == "Cards > Limits, p. 3"
    assert found.model_copy(update={"section": "", "place": ""}).where == ""


# In the index


def pages(*texts: str, **more) -> Document:
    read = Reading.of([Part(text, "page", n) for n, text in enumerate(texts, start=1)])
    given = {"title": "Fees", "readers": ("everyone",), **more}
    return Document(id="fees", text=read.text, marks=read.marks, **given)


async def test_evidence_is_the_document_s_text_at_its_place(opened) -> None:
    filler = "Nothing else is said on this page. " * 20
    document = pages(f"# Cards\n\n{filler}", f"## Limits\n\nThe zeppelin limit is 900. {filler}")
    knowledge = opened()
    await knowledge.ingest([document])
    found = await knowledge.retrieve("What is the zeppelin limit?", ANA)
    first = found.evidence[0]
    assert "zeppelin" in first.text
    assert (first.section, first.place) == ("Cards > Limits", "p. 2")
    text = await knowledge.text("fees", document.version, ANA)
    assert text is not None
    assert all(text[e.start : e.end] == e.text for e in found.evidence)


async def test_version_that_the_owner_gave_is_cited(opened) -> None:
    knowledge = opened()
    await knowledge.ingest([pages("Zeppelins cost 900.", edition="3.2")])
    [found] = (await knowledge.retrieve("What do zeppelins cost?", ANA)).evidence
    assert found.place == "p. 1, version 3.2"


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Other"},
        {"edition": "4"},
        {"readers": ("role:x",)},
        {"owner": "x"},
        {"source": "elsewhere"},
    ],
)
async def test_metadata_change_embeds_nothing_again(opened, embedder, change) -> None:
    knowledge = opened()
    texts = ("Zeppelins cost 900. " * 60, "Balloons cost 100. " * 60)
    await knowledge.ingest([pages(*texts)])
    before = len(embedder.texts)
    report = await knowledge.ingest([pages(*texts, **change)])
    assert (report.updated, report.chunks) == (1, 0)
    assert not set(embedder.texts[before:]) & {t for t in embedder.texts if "cost" in t}
    ben = Principal(id="ben", roles=("x",))
    found = await knowledge.retrieve("What do zeppelins cost?", ben)
    assert found.evidence[0].title == change.get("title", "Fees")
    assert found.documents == ("fees",)


async def test_only_the_passages_that_changed_are_embedded_again(opened) -> None:
    texts = [f"Product {n} costs {n} euros and is sold in shops. " * 15 for n in range(20)]
    knowledge = opened()
    first = await knowledge.ingest([pages(*texts)])
    texts[10] = texts[10].replace("shops", "kiosks")
    texts.insert(0, "Nothing but a foreword. " * 30)
    second = await knowledge.ingest([pages(*texts)])
    assert first.chunks >= 20
    assert 1 <= second.chunks <= 4
    assert knowledge._vectors.ids() == knowledge._store.states().keys()
    found = await knowledge.retrieve("Which product costs 15 euros?", ANA)
    assert "p. 17" in {e.place for e in found.evidence if "Product 15 " in e.text}


def test_repeated_passages_have_ids_of_their_own() -> None:
    document = pages(*["The same page again. " * 30] * 5)
    [(_, cut)] = Changes.between({}, [document], prune=True).added
    assert len({id_ for id_, _ in cut}) == len(cut) == 5


async def test_marks_of_a_text_that_had_to_be_cleaned_are_dropped(opened) -> None:
    unclean = Document(
        id="a",
        title="a",
        text="\0Zeppelins fly.",
        readers=("everyone",),
        marks=(Mark(0, "page", 9),),
    )
    knowledge = opened()
    await knowledge.ingest([unclean])
    [found] = (await knowledge.retrieve("Do zeppelins fly?", ANA)).evidence
    assert (found.text, found.place) == ("Zeppelins fly.", "")


@pytest.mark.parametrize("lost", ["folder", "file", "line"])
async def test_what_came_from_an_unreadable_place_goes_even_without_pruning(opened, lost) -> None:
    from concertmaster.retrieval.documents import Skipped
    from concertmaster.retrieval.ingest import ingest

    knowledge = opened()
    kept = Document(id="b", title="b", text="Beta.", readers=("everyone",), source="/kb/b.md")
    gone = Document(
        id="a", title="a", text="Alpha.", readers=("everyone",), source="/kb/in/a.jsonl:3"
    )
    await knowledge.ingest([kept, gone])
    source = {"folder": "/kb/in", "file": "/kb/in/a.jsonl", "line": "/kb/in/a.jsonl:3"}[lost]
    report = await ingest(
        knowledge._store,
        knowledge._vectors,
        knowledge._embedder,
        [],
        refused=[Skipped(source=source, why="cannot be read")],
        progress=None,
        prune=False,
    )
    assert report.deleted == 1
    assert set(knowledge._store.documents()) == {"b"}
