import asyncio
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from concertmaster.contracts import ANONYMOUS, Confidentiality, Principal, now
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import HomeReadOnly, HomeVersion, KnowledgeError, StorageError

ANA = Principal(id="ana", roles=("customer",))
HR = Principal(id="hugo", roles=("hr",))


async def test_evidence_is_what_stands_in_the_document(opened, library) -> None:
    knowledge = opened()
    await knowledge.ingest(library)
    found = await knowledge.retrieve("When may goods be returned?", ANA, numbers_from=4)
    best = found.evidence[0]
    source = next(d for d in library if d.id == best.document)
    assert found.sufficient
    assert (best.number, best.document, best.version) == (4, "returns", source.version)
    assert source.text[best.start : best.end] == best.text
    assert (best.owner, found.owner) == ("returns-team", "returns-team")
    assert [e.number for e in found.evidence] == list(range(4, 4 + len(found.evidence)))
    assert best.label.confidentiality == Confidentiality.public
    assert [e.score for e in found.evidence] == sorted(e.score for e in found.evidence)[::-1]


async def test_restricted_document_is_not_even_hinted_at(opened, library) -> None:
    knowledge = opened()
    await knowledge.ingest(library)
    question = "What are the secret salary bands of engineers?"
    found = await knowledge.retrieve(question, ANONYMOUS)
    without = opened(folder=knowledge._store.path.parent.with_name("other"))
    await without.ingest([d for d in library if d.readers == ("everyone",)])
    assert found == await without.retrieve(question, ANONYMOUS)
    assert not found.sufficient
    assert found.owner != "hr"
    assert (await knowledge.retrieve(question, HR)).evidence[0].document == "salaries"


async def test_question_that_no_document_answers_goes_to_an_owner(opened, library) -> None:
    knowledge = opened()
    await knowledge.ingest(library)
    found = await knowledge.retrieve("Is there a vegan menu in the canteen on Fridays?", ANA)
    assert (found.sufficient, found.evidence) == (False, ())
    assert found.why.startswith("nothing that may be read bears on the question enough")
    assert found.owner in ("returns-team", "logistics", "desk")


async def test_empty_index_and_empty_question_go_to_the_default_owner(opened, library) -> None:
    knowledge = opened()
    assert knowledge.is_empty()
    assert (await knowledge.retrieve("anything", ANA)).owner == "desk"
    await knowledge.ingest(library)
    assert not knowledge.is_empty()
    for question in ("", "  \n", "?!", "\ud800"):
        found = await knowledge.retrieve(question, ANA)
        assert (found.sufficient, found.why) == (False, "the question has no words")


async def test_message_of_a_million_characters_is_searched_by_its_beginning(
    opened, library
) -> None:
    knowledge = opened()
    await knowledge.ingest(library)
    found = await knowledge.retrieve("When may goods be returned? " + "x" * 10**6, ANA)
    assert found.documents[0] == "returns"


async def test_evidence_keeps_to_passages_and_budget(opened, document) -> None:
    knowledge = opened(spec=KnowledgeSpec(budget=1500, passages=4))
    documents = [document(f"d{n}", f"Fee number {n}. " * 30) for n in range(30)]
    await knowledge.ingest(documents)
    found = await knowledge.retrieve("fee number", ANA)
    assert 1 <= len(found.evidence) <= 4
    assert sum(len(e.text) for e in found.evidence) <= 1500
    assert len(found.documents) == len(set(found.documents)) == 10


async def test_same_text_in_two_documents_takes_the_room_of_one(opened, document) -> None:
    clause = "Goods may be returned within thirty days, with the receipt. " * 3
    knowledge = opened()
    copies = [document("terms", clause), document("faq", clause.upper())]
    await knowledge.ingest([*copies, document("fees", "Returned goods cost a fee of two euros.")])
    found = await knowledge.retrieve("When may goods be returned?", ANA)
    assert {e.document for e in found.evidence} > {"fees"}
    assert len(found.evidence) == 2
    assert set(found.documents) == {"terms", "faq", "fees"}


async def test_copy_that_may_not_be_read_hides_no_copy_that_may(opened, document) -> None:
    clause = "Goods may be returned within thirty days, with the receipt."
    knowledge = opened()
    await knowledge.ingest([document("a", clause, "role:staff"), document("b", clause)])
    found = await knowledge.retrieve("When may goods be returned?", ANA)
    assert [e.document for e in found.evidence] == ["b"]


async def test_passage_larger_than_the_budget_is_cut_at_a_sentence(opened, document) -> None:
    knowledge = opened(spec=KnowledgeSpec(budget=500, passages=4))
    only = document("a", "The fee of a card is four euros a month. " * 20)
    await knowledge.ingest([only])
    [evidence] = (await knowledge.retrieve("What is the fee of a card?", ANA)).evidence
    assert 400 < len(evidence.text) <= 500
    assert evidence.text.endswith("month.")
    assert only.text[evidence.start : evidence.end] == evidence.text


async def test_documents_are_valid_from_their_first_to_their_last_day(opened, document) -> None:
    today = now().date()
    day = timedelta(days=1)
    knowledge = opened()
    current = document("now", "The fee is four.", valid_from=today, valid_until=today)
    old = document("old", "The fee was three.", valid_until=today - day)
    new = document("new", "The fee will be five.", valid_from=today + day)
    await knowledge.ingest([current, old, new])
    found = await knowledge.retrieve("What is the fee?", ANA)
    assert found.documents == ("now",)
    readable = [d.id for d in (current, old, new) if knowledge.may_read(d.id, d.version, ANA)]
    assert readable == ["now"]


async def test_documents_that_are_not_valid_are_told_with_their_owners_until_known(
    opened, document
) -> None:
    knowledge = opened()
    ever = document("ever", "The fee is four.")
    old = document("old", "The fee was three.", valid_until=date(2020, 2, 29), owner="cards")
    new = document("new", "The fee will be five.", valid_from=date(2999, 1, 1))
    report = await knowledge.ingest([ever, old, new])
    assert [(r.source, r.what) for r in report.lapsed] == [
        ("new", "is not valid before 2999-01-01; its owner is desk"),
        ("old", "expired on 2020-02-29; its owner is cards"),
    ]
    assert (await knowledge.ingest([ever, old, new])).lapsed == ()
    assert [r.source for r in (await knowledge.ingest([ever, new])).lapsed] == ["new"]
    assert (await knowledge.ingest([ever])).lapsed == ()
    assert [r.source for r in (await knowledge.ingest([ever, old])).lapsed] == ["old"]


async def test_may_read_and_text_ask_for_this_version_and_principal(opened, library) -> None:
    knowledge = opened()
    await knowledge.ingest(library)
    secret = next(d for d in library if d.id == "salaries")
    assert knowledge.may_read("salaries", secret.version, HR)
    assert await knowledge.text("salaries", secret.version, HR) == secret.text
    for document, version, principal in (
        ("salaries", secret.version, ANA),
        ("salaries", "sha256:old", HR),
        ("no-such", secret.version, HR),
    ):
        assert not knowledge.may_read(document, version, principal)
        assert await knowledge.text(document, version, principal) is None
    await knowledge.ingest([replace(secret, readers=("role:ceo",))])
    assert not knowledge.may_read("salaries", secret.version, HR)


async def test_another_tenant_reads_nothing(opened, folder: Path, library) -> None:
    knowledge = opened(tenant="north")
    await knowledge.ingest(library)
    version = next(d.version for d in library if d.id == "returns")
    member = ANA.model_copy(update={"tenant": "north"})
    assert (await knowledge.retrieve("returned goods", member)).documents
    for stranger in (ANA, ANA.model_copy(update={"tenant": "south"})):
        assert (await knowledge.retrieve("returned goods", stranger)).documents == ()
        assert not knowledge.may_read("returns", version, stranger)
        assert await knowledge.text("returns", version, stranger) is None
    for tenant in ("south", None):
        with pytest.raises(KnowledgeError, match="another tenant"):
            opened(tenant=tenant)


async def test_search_goes_on_by_words_when_the_embedder_fails(
    opened, embedder, library, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge = opened()
    await knowledge.ingest(library)

    def down(texts: object) -> None:
        raise RuntimeError("down")

    monkeypatch.setattr(embedder, "embed", down)
    found = await knowledge.retrieve("Parcels shipped from Lisbon?", ANA)
    assert (found.documents[0], found.sufficient) == ("shipping", True)
    assert "without comparing meanings" in found.why
    assert not (await knowledge.retrieve("Trains delayed from Lisbon today?", ANA)).sufficient
    assert "searching by words only" in caplog.text


async def test_damaged_vector_store_hinders_no_search_and_is_told_by_the_next_ingest(
    opened, folder: Path, library
) -> None:
    first = opened()
    await first.ingest(library)
    first.close()
    (folder / "vectors/chroma.sqlite3").write_bytes(b"no database" * 999)
    knowledge = opened()
    found = await knowledge.retrieve("Parcels shipped from Lisbon?", ANA)
    assert (found.documents[0], found.sufficient) == ("shipping", True)
    assert "closeness" in found.why
    with pytest.raises(StorageError, match="--rebuild"):
        await knowledge.ingest(library[:1])


async def test_index_too_large_for_memory_is_searched_by_chroma(
    opened, library, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge = opened()
    await knowledge.ingest(library)
    exact = await knowledge.retrieve("Parcels shipped from Lisbon?", ANA)
    knowledge.close()
    monkeypatch.setattr("concertmaster.retrieval.snapshot.LARGEST", 0)
    again = opened()
    assert await again.retrieve("Parcels shipped from Lisbon?", ANA) == exact
    assert again._vectors._client is not None


async def test_damaged_vector_store_of_a_large_index_is_told_and_searched_around(
    opened, folder: Path, library, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("concertmaster.retrieval.snapshot.LARGEST", 0)
    first = opened()
    await first.ingest(library)
    first.close()
    (folder / "vectors/chroma.sqlite3").write_bytes(b"no database" * 999)
    knowledge = opened()
    found = await knowledge.retrieve("Parcels shipped from Lisbon?", ANA)
    assert found.documents[0] == "shipping"
    assert "the vector store failed" in caplog.text
    with pytest.raises(StorageError, match="--rebuild"):
        await knowledge.ingest(library[:1])


async def test_many_at_once_get_what_each_may_read(opened, library) -> None:
    knowledge = opened()
    await knowledge.ingest(library)
    people = [ANA, HR, ANONYMOUS] * 20
    found = await asyncio.gather(*(knowledge.retrieve("salary of engineers", p) for p in people))
    for principal, one in zip(people, found, strict=True):
        assert ("salaries" in one.documents) == (principal is HR)
        assert ("diary" in one.documents) == (principal is ANA)


async def test_retrieval_during_an_ingest_shows_no_withdrawn_document(opened, document) -> None:
    knowledge = opened()
    withdrawn = document("a", "Alpha cards.")
    await knowledge.ingest([withdrawn])
    many = [document(f"d{n}", f"Beta cards {n}.") for n in range(300)]
    ingest = asyncio.create_task(
        knowledge.ingest([replace(withdrawn, readers=("role:staff",)), *many])
    )
    while knowledge.may_read("a", withdrawn.version, ANA):
        await asyncio.sleep(0)
    while not ingest.done():
        found = await knowledge.retrieve("alpha cards", ANA)
        assert "a" not in found.documents
    await ingest


def test_folder_that_cannot_be_written_is_told(tmp_path: Path, opened) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeReadOnly, match="cannot be written"):
        opened(folder=tmp_path / "file" / "index")


def test_damaged_index_is_told(folder: Path, opened) -> None:
    folder.mkdir()
    (folder / "knowledge.sqlite3").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StorageError, match="damaged"):
        opened()


def test_index_of_a_newer_release_is_told(folder: Path, opened) -> None:
    opened().close()
    with sqlite3.connect(folder / "knowledge.sqlite3") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(HomeVersion, match="has version 99"):
        opened()


def test_closed_knowledge_says_so(opened) -> None:
    knowledge = opened()
    knowledge.close()
    with pytest.raises(StorageError):
        knowledge.is_empty()


def test_opening_loads_no_model_and_no_vector_store(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from concertmaster.contracts.spec import KnowledgeSpec\n"
        "from concertmaster.retrieval.knowledge import Knowledge\n"
        f"Knowledge.open(Path({str(folder)!r}), spec=KnowledgeSpec()).is_empty()\n"
        "heavy = {'chromadb', 'onnxruntime', 'numpy', 'bm25s', 'tokenizers', 'sklearn'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
