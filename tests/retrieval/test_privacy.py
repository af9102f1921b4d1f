"""Nothing that a principal may not read comes back: over generated people, documents, questions."""

import asyncio
import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concertmaster.contracts import ANONYMOUS, EVERYONE, Principal
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.documents import Document
from concertmaster.retrieval.knowledge import Knowledge

NAMES = (
    *("a", "b", "ab", "A", "role:a", "everyone", "nobody", "a b", "é", "e\u0301", "a:b"),
    *("*", "%", "_", ".*", "a%", "$contains", '{"$ne":"x"}', "a' OR '1'='1", 'a"', "a\\", "a\0"),
)
"""Names that are part of others, look like them, or are operators of some query language."""

GRANTABLE = [n for n in NAMES if not any(c.isspace() for c in n) and n[0] != ":"]
READERS = st.lists(
    st.just(EVERYONE)
    | st.sampled_from(("role", "group", "principal")).flatmap(
        lambda kind: st.sampled_from(GRANTABLE).map(lambda name: f"{kind}:{name}")
    ),
    max_size=3,
).map(tuple)
PRINCIPALS = st.just(ANONYMOUS) | st.builds(
    Principal,
    id=st.sampled_from(NAMES),
    roles=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    groups=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
)
WORDS = st.lists(st.sampled_from("fee card loan branch limit".split()), min_size=1, max_size=5)


@st.composite
def libraries(draw) -> list[Document]:
    """Documents whose texts and titles hold a canary that names them."""
    return [
        Document(
            id=f"doc-{n}",
            title=f"title{n} {' '.join(draw(WORDS))}",
            text=f"canary{n} {' '.join(draw(WORDS))}.",
            readers=draw(READERS),
            owner=f"owner{n}",
        )
        for n in range(draw(st.integers(1, 6)))
    ]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    before=libraries(),
    after=st.none() | st.lists(READERS, min_size=6, max_size=6),
    people=st.lists(PRINCIPALS, min_size=1, max_size=3),
    questions=st.lists(WORDS.map(" ".join), min_size=1, max_size=2),
    largest=st.sampled_from([2**20, 0]),
)
def test_nothing_unreadable_comes_back(
    embedder, caplog: pytest.LogCaptureFixture, before, after, people, questions, largest
) -> None:
    """Neither from the array of vectors nor from Chroma, which is asked where none is held."""
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("concertmaster.retrieval.snapshot.LARGEST", largest)
        knowledge = Knowledge.open(
            Path(folder), embedder=embedder, spec=KnowledgeSpec(default_owner="desk")
        )
        try:
            asyncio.run(_check(knowledge, before, after, people, questions))
        finally:
            knowledge.close()
    assert "canary" not in caplog.text
    assert "title" not in caplog.text


async def _check(knowledge, before, after, people, questions) -> None:
    await knowledge.ingest(before)
    held = before
    if after is not None:
        # Ask first, so that whatever could be kept of the old readers is.
        await knowledge.retrieve(questions[0], people[0])
        held = [replace(d, readers=r) for d, r in zip(before, after, strict=False)]
        await knowledge.ingest(held)
    for principal in people:
        forbidden = [d for d in held if not principal.may_read(d.readers)]
        allowed = {d.id for d in held if principal.may_read(d.readers)}
        for question in (*questions, "canary0 canary1 canary2 canary3 canary4 canary5"):
            found = await knowledge.retrieve(question, principal)
            told = found.model_copy(update={"query": ""}).model_dump_json()
            for document in forbidden:
                number = document.id.removeprefix("doc-")
                for trace in (document.id, f"canary{number}", f"title{number}", f"owner{number}"):
                    assert trace not in told
            assert set(found.documents) <= allowed
            near = await knowledge.neighbours(question, principal, 10)
            assert {passage.document for passage, _ in near} <= allowed
            assert all(principal.may_read(e.readers) for e in found.evidence)
        for document in held:
            readable = document.id in allowed
            assert knowledge.may_read(document.id, document.version, principal) == readable
            text = await knowledge.text(document.id, document.version, principal)
            assert text == (document.text if readable else None)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(library=libraries(), principal=PRINCIPALS, question=WORDS.map(" ".join))
def test_everything_readable_can_be_found(embedder, library, principal, question) -> None:
    with tempfile.TemporaryDirectory() as folder:
        knowledge = Knowledge.open(Path(folder), embedder=embedder, spec=KnowledgeSpec())
        try:
            asyncio.run(knowledge.ingest(library))
            found = asyncio.run(knowledge.retrieve(question, principal))
        finally:
            knowledge.close()
    assert set(found.documents) == {d.id for d in library if principal.may_read(d.readers)}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(library=libraries(), principal=PRINCIPALS, question=WORDS.map(" ".join))
def test_answer_is_that_of_an_index_without_the_unreadable(
    embedder, library, principal, question
) -> None:
    """Order, scores, reasons and owners tell nothing of what may not be read, nor that it is."""
    readable = [d for d in library if principal.may_read(d.readers)]
    spec = KnowledgeSpec(default_owner="desk")
    answers = []
    for documents in (library, readable):
        with tempfile.TemporaryDirectory() as folder:
            knowledge = Knowledge.open(Path(folder), embedder=embedder, spec=spec)
            try:
                asyncio.run(knowledge.ingest(documents))
                found = asyncio.run(knowledge.retrieve(question, principal))
                near = asyncio.run(knowledge.neighbours(question, principal, 10))
                answers.append((found, [(p.id, cosine) for p, cosine in near]))
            finally:
                knowledge.close()
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("reader", "stranger"),
    [
        ("role:staff", {"roles": ("staffing", "sta", "Staff", "STAFF", "staf*", "staff%", "")}),
        ("role:staffing", {"roles": ("staff", "ing", "staff*")}),
        ("role:a:b", {"roles": ("a", "b"), "groups": ("b", "a:b")}),
        ("group:eu", {"roles": ("eu", "group:eu"), "id": "eu"}),
        ("principal:ana", {"id": "Ana", "roles": ("ana", "principal:ana"), "groups": ("ana",)}),
        ("principal:anonymous", {"id": "anonymous"}),
        ("role:caf\u00e9", {"roles": ("cafe\u0301", "cafe")}),
    ],
)
@pytest.mark.parametrize("largest", [2**20, 0])
async def test_names_are_compared_whole_and_exactly(
    opened, document, monkeypatch: pytest.MonkeyPatch, reader, stranger, largest
) -> None:
    monkeypatch.setattr("concertmaster.retrieval.snapshot.LARGEST", largest)
    knowledge = opened()
    await knowledge.ingest([document("secret", "The fee of a card is four.", reader)])
    person = Principal(**{"id": "eve", **stranger})
    found = await knowledge.retrieve("What is the fee of a card?", person)
    assert (found.documents, found.why) == ((), "nothing here may be read")
    assert await knowledge.neighbours("the fee of a card", person) == []


async def test_renamed_role_and_changed_person_hold_from_the_next_question(
    opened, document
) -> None:
    knowledge = opened()
    secret = document("secret", "The fee of a card is four.", "role:clerk")
    await knowledge.ingest([secret])
    question = "What is the fee of a card?"
    clerk, adviser = (Principal(id="li", roles=(r,)) for r in ("clerk", "adviser"))
    assert (await knowledge.retrieve(question, clerk)).documents == ("secret",)
    assert (await knowledge.retrieve(question, adviser)).documents == ()
    await knowledge.ingest([replace(secret, readers=("role:adviser",))])
    assert (await knowledge.retrieve(question, clerk)).documents == ()
    assert (await knowledge.retrieve(question, adviser)).documents == ("secret",)


async def test_ids_that_look_like_filters_are_ids(opened, document) -> None:
    knowledge = opened()
    ids = ('{"$ne": null}', "a' OR '1'='1", "$or", "../secret", "%", "a\u2028b")
    await knowledge.ingest(
        [document(i, f"The fee of card {n}.", "role:staff") for n, i in enumerate(ids)]
    )
    staff = Principal(id="li", roles=("staff",))
    found = await knowledge.retrieve("What is the fee of a card?", staff)
    assert len(found.documents) == len(ids)
    for document_id in ids:
        for version in {e.version for e in found.evidence}:
            assert not knowledge.may_read(document_id, version, ANONYMOUS)
    assert (await knowledge.retrieve("What is the fee of a card?", ANONYMOUS)).documents == ()
