import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.contracts import Principal
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import IndexMismatch, KnowledgeError, StorageError
from concertmaster.retrieval.embeddings import default_embedder
from concertmaster.retrieval.ingest import IngestReport

ANA = Principal(id="ana", roles=("customer",))
STAFF = Principal(id="li", roles=("staff",))


def numbers(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.deleted, report.unchanged


async def documents_for(knowledge, query: str, principal: Principal = ANA) -> set[str]:
    return set((await knowledge.retrieve(query, principal)).documents)


async def test_second_ingest_embeds_only_what_changed(opened, embedder, document) -> None:
    knowledge = opened()
    first = [document("a", "Alpha cards."), document("b", "Beta loans."), document("c", "Gamma.")]
    assert numbers(await knowledge.ingest(first)) == (3, 0, 0, 0)
    embedder.texts.clear()
    second = [first[0], document("b", "Beta mortgages."), document("d", "Delta.")]
    report = await knowledge.ingest(second)
    assert numbers(report) == (1, 1, 1, 1)
    assert report.chunks == 2
    assert sorted(embedder.texts) == ["Beta mortgages.", "Delta."]
    assert await documents_for(knowledge, "loans gamma") == {"a", "b", "d"}
    assert "c" not in await documents_for(knowledge, "gamma")


async def test_unchanged_ingest_loads_neither_model_nor_vector_store(
    folder, opened, document
) -> None:
    await opened().ingest([document("a", "Alpha.")])

    class Untouched:
        name, dimension = "words-256", 256

        def embed(self, texts, /):
            raise AssertionError("nothing is to embed")

    again = opened(embedder=Untouched())
    assert numbers(await again.ingest([document("a", "Alpha.")])) == (0, 0, 0, 1)
    assert again._vectors._client is None


async def test_every_ingest_raises_the_generation(opened, document) -> None:
    knowledge = opened()
    seen = [knowledge.generation]
    for _ in range(3):
        await knowledge.ingest([document("a", "Alpha.")])
        seen.append(knowledge.generation)
    assert seen == sorted(set(seen))


async def test_without_pruning_what_is_not_given_stays(opened, document) -> None:
    knowledge = opened()
    await knowledge.ingest([document("a", "Alpha.")])
    report = await knowledge.ingest([document("b", "Beta.")], prune=False)
    assert numbers(report) == (1, 0, 0, 0)
    assert await documents_for(knowledge, "alpha beta") == {"a", "b"}


async def test_new_readers_hold_at_once_and_embed_nothing(opened, embedder, document) -> None:
    knowledge = opened()
    open_ = document("a", "Alpha cards.")
    await knowledge.ingest([open_])
    embedder.texts.clear()
    report = await knowledge.ingest([replace(open_, readers=("role:staff",))])
    assert (numbers(report), report.chunks, embedder.texts) == ((0, 1, 0, 0), 0, [])
    assert await documents_for(knowledge, "alpha", ANA) == set()
    assert await documents_for(knowledge, "alpha", STAFF) == {"a"}


async def test_withdrawn_readers_hold_before_anything_is_embedded(
    opened, embedder, document
) -> None:
    knowledge = opened()
    open_ = document("a", "Alpha cards.")
    await knowledge.ingest([open_])
    seen: list[bool] = []

    def progress(done: int, total: int) -> None:
        seen.append(knowledge.may_read("a", open_.version, ANA))

    changed = [replace(open_, readers=("role:staff",)), document("b", "Beta.")]
    await knowledge.ingest(changed, progress=progress)
    assert seen
    assert not any(seen)


async def test_progress_counts_up_to_the_passages_to_embed(opened, document) -> None:
    told: list[tuple[int, int]] = []
    documents = [document(f"d{n}", f"Text number {n}.") for n in range(150)]
    await opened().ingest(documents, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 150), (64, 150), (128, 150), (150, 150)]


async def test_bad_documents_are_named_and_the_rest_goes_on(opened, document) -> None:
    given = [
        document("good", "Good \ud800 text\x00."),
        document("empty", " \n"),
        document("good", "Again."),
        document("wrong", "Text.", "staff"),
        document("", "Text."),
    ]
    knowledge = opened()
    report = await knowledge.ingest(given)
    assert [s.source for s in report.skipped] == ["empty", "good", "wrong", ""]
    assert await documents_for(knowledge, "good text") == {"good"}


async def test_document_of_nobody_is_kept_and_read_by_nobody(opened, document) -> None:
    knowledge = opened()
    nobodys = replace(document("a", "Alpha."), readers=())
    assert numbers(await knowledge.ingest([nobodys])) == (1, 0, 0, 0)
    everything = Principal(id="x", roles=("nobody",), groups=("nobody",))
    assert await documents_for(knowledge, "alpha", everything) == set()


@pytest.mark.parametrize("prune", [True, False])
async def test_paths_are_loaded_and_their_problems_reported(
    opened, tmp_path: Path, prune: bool
) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb/a.md").write_text("Alpha cards.")
    (tmp_path / "kb/b.md").write_bytes(b"\xff\x00b")
    knowledge = opened()
    report = await knowledge.ingest([tmp_path / "kb"])
    assert numbers(report) == (1, 0, 0, 0)
    assert [s.why.partition(":")[0] for s in report.skipped] == ["is no text"]
    (tmp_path / "kb/a.md").write_text("---\nreaders: [staff]\n---\nAlpha cards.")
    report = await knowledge.ingest([tmp_path / "kb"], prune=prune)
    assert report.deleted == 1, "who may read it is not known any more"


async def test_document_whose_readers_are_not_understood_any_more_goes(opened, document) -> None:
    knowledge = opened()
    await knowledge.ingest([document("a", "Alpha."), document("b", "Beta.")])
    refused = [document("a", "Alpha.", "staff"), document("", "Text.")]
    report = await knowledge.ingest(refused, prune=False)
    assert (report.deleted, len(report.skipped)) == (1, 2)
    assert await documents_for(knowledge, "alpha beta") == {"b"}


async def test_missing_path_deletes_nothing(opened, document, tmp_path: Path) -> None:
    knowledge = opened()
    await knowledge.ingest([document("a", "Alpha.")])
    with pytest.raises(KnowledgeError, match="no such file or folder"):
        await knowledge.ingest([tmp_path / "unmounted"])
    assert not knowledge.is_empty()


# Cut off, and taken up again


class Breaking:
    """Embeds a number of texts, then fails."""

    def __init__(self, embedder, most: int) -> None:
        self._embedder, self._left = embedder, most
        self.name, self.dimension = embedder.name, embedder.dimension

    def embed(self, texts, /):
        self._left -= len(texts)
        if self._left < 0:
            raise RuntimeError("the service is down")
        return self._embedder.embed(texts)


async def test_ingest_that_fails_in_the_middle_goes_on_where_it_stopped(
    opened, embedder, document
) -> None:
    documents = [document(f"d{n}", f"Text number {n}.") for n in range(150)]
    broken = opened(embedder=Breaking(embedder, 70))
    with pytest.raises(KnowledgeError, match="failed \\(RuntimeError\\)"):
        await broken.ingest(documents)
    assert broken.pending == 86
    broken.close()
    embedder.texts.clear()
    knowledge = opened()
    report = await knowledge.ingest(documents)
    assert (numbers(report), report.chunks) == ((0, 0, 0, 150), 86)
    assert len(embedder.texts) == 86
    assert knowledge.pending == 0
    assert await documents_for(knowledge, "Text number 149.") > {"d149"}


@pytest.mark.parametrize("method", ["put", "delete"])
async def test_vector_store_that_fails_in_the_middle_is_made_consistent(
    opened, document, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    documents = [document(f"d{n}", f"Text number {n}.") for n in range(100)]
    knowledge = opened()
    await knowledge.ingest(documents)
    changed = [document(f"d{n}", f"Line number {n}.") for n in range(90)]
    with monkeypatch.context() as patch:
        patch.setattr(knowledge._vectors, method, _full_disk)
        with pytest.raises(StorageError):
            await knowledge.ingest(changed)
    knowledge.close()
    again = opened()
    assert not (await again.retrieve("text", ANA)).sufficient
    await again.ingest(changed)
    assert again._vectors.ids() == again._store.states().keys()
    assert (again.pending, again._store.orphans()) == (0, [])


def _full_disk(*args: object) -> None:
    raise StorageError("no room left on the disk")


async def test_stored_but_not_noted_is_only_done_again(
    opened, document, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [document("a", "Alpha."), document("b", "Beta.")]
    knowledge = opened()
    with monkeypatch.context() as patch:
        patch.setattr(knowledge._store, "mark_stored", _full_disk)
        with pytest.raises(StorageError):
            await knowledge.ingest(documents)
    assert knowledge.pending == 2
    report = await knowledge.ingest(documents)
    assert (report.chunks, knowledge.pending) == (0, 0)
    assert len(knowledge._vectors.ids()) == 2


_KILLED = """
import asyncio, os, sys
from pathlib import Path
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.knowledge import Document, Knowledge

folder, stop = Path(sys.argv[1]), int(sys.argv[2])

def progress(done, total):
    if done >= stop:
        os.kill(os.getpid(), 9)

documents = [
    Document(id=f"d{n}", title=f"d{n}", text=f"Fee number {n}.", readers=("everyone",))
    for n in range(100)
]
knowledge = Knowledge.open(folder, spec=KnowledgeSpec())
asyncio.run(knowledge.ingest(documents, progress=progress))
"""


@pytest.mark.parametrize("stop", [0, 64])
async def test_killed_ingest_is_taken_up(opened, document, folder: Path, stop: int) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(folder), str(stop)],
        env=os.environ,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    knowledge = opened(embedder=default_embedder())
    assert knowledge.pending == 100 - stop
    documents = [document(f"d{n}", f"Fee number {n}.") for n in range(100)]
    report = await knowledge.ingest(documents)
    assert (numbers(report), report.chunks) == ((0, 0, 0, 100), 100 - stop)
    assert knowledge._vectors.ids() == knowledge._store.states().keys()


async def test_lost_vector_store_is_made_again_without_embedding(
    opened, folder: Path, document
) -> None:
    import shutil

    first = opened()
    await first.ingest([document("a", "Alpha.")])
    first.close()
    shutil.rmtree(folder / "vectors")
    knowledge = opened()
    report = await knowledge.ingest([document("a", "Alpha.")])
    assert (report.unchanged, report.chunks) == (1, 0)
    assert knowledge._vectors.ids() == knowledge._store.states().keys()


async def test_index_without_kept_vectors_is_embedded_again(
    opened, embedder, folder: Path, document
) -> None:
    """As an index was before vectors were kept beside the passages."""
    first = opened()
    await first.ingest([document("a", "Alpha."), document("b", "Beta.")])
    first.close()
    with sqlite3.connect(folder / "knowledge.sqlite3") as database:
        database.execute("DROP TABLE vectors")
        database.execute("DELETE FROM meta WHERE key IN ('probe', 'vectors_at')")
    database.close()
    embedder.texts.clear()
    knowledge = opened()
    report = await knowledge.ingest([document("a", "Alpha."), document("b", "Beta.")])
    assert (report.unchanged, report.chunks) == (2, 2)
    assert sorted(embedder.texts) == ["Alpha.", "Beta."]
    assert (await knowledge.retrieve("alpha", ANA)).sufficient


_OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.knowledge import Document, Knowledge

new = Document(id="new", title="new", text="Gamma mortgages.", readers=("everyone",))
knowledge = Knowledge.open(Path(sys.argv[1]), spec=KnowledgeSpec())
asyncio.run(knowledge.ingest([new], prune=False))
"""


async def test_another_process_s_ingest_is_seen(opened, folder: Path, document) -> None:
    knowledge = opened(embedder=default_embedder())
    await knowledge.ingest([document("a", "Alpha cards.")])
    assert await documents_for(knowledge, "mortgages") == {"a"}
    subprocess.run([sys.executable, "-c", _OTHER_PROCESS, str(folder)], check=True)
    found = await knowledge.retrieve("What are gamma mortgages?", ANA)
    assert found.documents[0] == "new"
    assert found.sufficient


# Another embedding


async def test_index_of_another_embedding_is_refused(opened, embedder, document) -> None:
    await opened().ingest([document("a", "Alpha.")])
    other = type(embedder)("other")
    with pytest.raises(IndexMismatch) as caught:
        opened(embedder=other)
    for part in ("words-256", "other", "concertmaster ingest WORKSPACE --rebuild"):
        assert part in str(caught.value)


async def test_index_of_another_dimension_is_refused(opened, embedder, document) -> None:
    await opened().ingest([document("a", "Alpha.")])
    other = type(embedder)()
    other.dimension = 32
    knowledge = opened(embedder=other)
    with pytest.raises(IndexMismatch, match=r"256 numbers.*32 numbers"):
        await knowledge.retrieve("alpha", ANA)
    with pytest.raises(IndexMismatch):
        await knowledge.ingest([document("b", "Beta.")])


async def test_rebuild_makes_the_index_anew(opened, embedder, document) -> None:
    first = opened()
    await first.ingest([document("a", "Alpha.")])
    first.close()
    other = type(embedder)("other")
    other.dimension = 32
    knowledge = opened(embedder=other, rebuild=True)
    assert knowledge.is_empty()
    await knowledge.ingest([document("a", "Alpha.")])
    assert (await knowledge.retrieve("alpha", ANA)).sufficient


async def test_index_in_which_nothing_was_embedded_takes_any_embedding(
    opened, embedder, document
) -> None:
    broken = opened(embedder=Breaking(embedder, 0))
    with pytest.raises(KnowledgeError):
        await broken.ingest([document("a", "Alpha.")])
    other = opened(embedder=type(embedder)("other"))
    assert (await other.ingest([document("a", "Alpha.")])).chunks == 1


async def test_other_way_of_cutting_cuts_again(
    opened, document, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge = opened()
    await knowledge.ingest([document("a", "Alpha.")])
    monkeypatch.setattr("concertmaster.retrieval.changes.CHUNKING", 999)
    report = await knowledge.ingest([document("a", "Alpha.")])
    assert (report.updated, report.chunks) == (1, 1)


async def test_spec_with_a_wrong_rule_does_not_open(opened) -> None:
    from concertmaster.errors import ConfigError

    with pytest.raises(ConfigError):
        opened(spec=KnowledgeSpec(default_readers=("staff",)))
