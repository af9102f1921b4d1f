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

NAMES = ("a", "b", "role:a", "everyone", "nobody", "a b", "é")
READERS = st.lists(
    st.sampled_from(
        [EVERYONE, *(f"{kind}:{n}" for kind in ("role", "group", "principal") for n in "ab")]
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
)
def test_nothing_unreadable_comes_back(
    embedder, caplog: pytest.LogCaptureFixture, before, after, people, questions
) -> None:
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    with tempfile.TemporaryDirectory() as folder:
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
