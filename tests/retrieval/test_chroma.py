"""Vectors on a Chroma server: chosen by configuration, lost and found, with a token and TLS."""

import datetime
import ipaddress
import logging
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.contracts import ANONYMOUS, Principal
from concertmaster.contracts.spec import ChromaSpec, KnowledgeSpec
from concertmaster.errors import ConfigError, StorageError
from concertmaster.retrieval.chroma import Folder, Server, place_of

from .chroma_server import HOST, ChromaServer, door, free_port  # noqa: TID252

ANA = Principal(id="ana", roles=("customer",))
QUESTION = "Parcels shipped from Lisbon?"
TOKEN = "t0ken-that-nobody-may-see"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    server.start()
    yield server
    server.stop()


def on(server: str, **more) -> KnowledgeSpec:
    return KnowledgeSpec(default_owner="desk", chroma=ChromaSpec(server=server, **more))


async def test_server_is_searched_and_holds_no_text(opened, running, folder, library) -> None:
    knowledge = opened(spec=on(running.url))
    await knowledge.ingest(library)
    found = await knowledge.retrieve(QUESTION, ANA)
    assert (found.documents[0], found.sufficient) == ("shipping", True)
    assert knowledge._vectors.ids() == knowledge._store.states().keys()
    assert not (folder / "vectors").exists()
    held = knowledge._vectors._collection.get(include=["documents", "metadatas"])
    assert not any(held["documents"] or ())
    assert {name for entry in held["metadatas"] for name in entry} == {"readers", "from", "until"}


async def test_server_filters_before_it_ranks(opened, running, document) -> None:
    knowledge = opened(spec=on(running.url))
    secret = [document(f"s{n}", f"Card fee {n}.", "role:staff") for n in range(150)]
    await knowledge.ingest([*secret, document("open", "Hours, and the fee of a card once.")])
    near = await knowledge.neighbours("card fee", ANONYMOUS, 5)
    assert [passage.document for passage, _ in near] == ["open"]


async def test_indices_on_one_server_are_apart(opened, running, tmp_path: Path, document) -> None:
    first = opened(spec=on(running.url))
    second = opened(folder=tmp_path / "second", spec=on(running.url))
    await first.ingest([document("a", "Alpha.")])
    await second.ingest([document("b", "Beta."), document("c", "Gamma.")])
    assert len(first._vectors.ids()) == 1
    assert len(second._vectors.ids()) == 2
    await first.ingest([])
    assert len(second._vectors.ids()) == 2


async def test_withdrawn_reader_holds_at_once_though_the_server_still_says_otherwise(
    opened, running, library, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge = opened(spec=on(running.url))
    await knowledge.ingest(library)

    def down(*args: object) -> None:
        raise StorageError("the server is gone")

    withdrawn = [replace(d, readers=("role:ceo",)) for d in library]
    with monkeypatch.context() as patch:
        patch.setattr(knowledge._vectors, "update", down)
        with pytest.raises(StorageError):
            await knowledge.ingest(withdrawn)
    assert (await knowledge.retrieve(QUESTION, ANA)).documents == ()
    assert await knowledge.neighbours(QUESTION, ANA) == []


async def test_server_that_goes_away_is_named_and_done_without(
    opened, tmp_path: Path, document, embedder, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of an ingest, then of a conversation; when it is back, nothing is lost."""
    server = ChromaServer(tmp_path / "chroma")
    server.start()
    try:
        documents = [document(f"d{n}", f"Text number {n}.") for n in range(200)]
        knowledge = opened(spec=on(server.url))

        def stop_after_a_batch(done: int, total: int) -> None:
            if done:
                server.stop()

        with pytest.raises(StorageError, match="cannot be reached"):
            await knowledge.ingest(documents, progress=stop_after_a_batch)
        assert 0 < knowledge.pending < 200
        found = await knowledge.retrieve("number 7", ANA)
        assert "d7" in found.documents
        assert "searching the index's own vectors" in caplog.text
        server.start()
        embedder.texts.clear()
        await knowledge.ingest(documents)
        assert knowledge.pending == 0
        assert len(embedder.texts) <= 200 - 64
        assert knowledge._vectors.ids() == knowledge._store.states().keys()
    finally:
        server.stop()


async def test_emptied_server_is_noticed_and_filled_again_without_embedding(
    opened, tmp_path: Path, library, embedder
) -> None:
    server = ChromaServer(tmp_path / "chroma")
    server.start()
    try:
        knowledge = opened(spec=on(server.url))
        await knowledge.ingest(library)
        knowledge._vectors.drop()
        knowledge._vectors.close()
        found = await knowledge.retrieve(QUESTION, ANA)
        assert (found.documents[0], found.sufficient) == ("shipping", True)
        embedder.texts.clear()
        report = await knowledge.ingest(library)
        assert (report.unchanged, report.chunks, embedder.texts) == (4, 0, [])
        assert knowledge._vectors.ids() == knowledge._store.states().keys()
    finally:
        server.stop()


async def test_moving_to_a_server_and_back_embeds_nothing(
    opened, running, library, embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened()
    await first.ingest(library)
    first.close()
    embedder.texts.clear()
    monkeypatch.setenv("CONCERTMASTER_CHROMA", running.url)
    for place in (running.url, "local"):
        monkeypatch.setenv("CONCERTMASTER_CHROMA", place)
        knowledge = opened()
        await knowledge.ingest(library)
        assert embedder.texts == []
        assert knowledge._vectors.ids() == knowledge._store.states().keys()
        knowledge.close()


async def test_rebuild_leaves_nothing_on_the_server(opened, running, library) -> None:
    knowledge = opened(spec=on(running.url))
    await knowledge.ingest(library)
    name = knowledge._vectors._name
    knowledge.close()
    again = opened(spec=on(running.url), rebuild=True)
    await again.ingest(library)
    listed = [c.name for c in again._vectors._client.list_collections()]
    assert name not in listed
    assert again._vectors._name in listed


@pytest.mark.parametrize(
    ("header", "value"), [("Authorization", f"Bearer {TOKEN}"), ("X-Chroma-Token", TOKEN)]
)
async def test_token_opens_the_door_and_is_told_nowhere(
    opened, running, library, caplog: pytest.LogCaptureFixture, monkeypatch, header, value
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CONCERTMASTER_CHROMA_TOKEN", TOKEN)
    with door(running.port, header, value) as url:
        knowledge = opened(spec=on(url, header=header))
        await knowledge.ingest(library)
        assert (await knowledge.retrieve(QUESTION, ANA)).documents[0] == "shipping"
        assert TOKEN not in repr(knowledge._vectors._place)
        knowledge.close()
        monkeypatch.setenv("CONCERTMASTER_CHROMA_TOKEN", f"wrong-{TOKEN}")
        refused = opened(spec=on(url, header=header))
        with pytest.raises(StorageError, match="answered with status 401") as caught:
            await refused.ingest([])
        assert TOKEN not in str(caught.value) + repr(caught.value.__cause__)
    assert TOKEN not in caplog.text
    assert b"t0ken-that" not in b"".join(
        p.read_bytes() for p in knowledge._store.path.parent.rglob("*") if p.is_file()
    )


async def test_certificate_is_checked_against_the_given_one(
    opened, running, library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with door(running.port, "Accept", "*/*", tls) as url:
        unknown = opened(spec=on(url))
        with pytest.raises(StorageError, match="cannot be reached"):
            await unknown.ingest(library)
        unknown.close()
        monkeypatch.setenv("CONCERTMASTER_CHROMA_CA", str(certificate))
        known = opened(spec=on(url))
        await known.ingest(library)
        assert (await known.retrieve(QUESTION, ANA)).documents[0] == "shipping"
        assert len(known._vectors.ids()) == len(library)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Sign a certificate for the loopback that is good for a day."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "door.pem", folder / "door.key"
    pem.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, private


async def test_opening_asks_no_server(opened) -> None:
    knowledge = opened(spec=on(f"http://{HOST}:{free_port()}"))
    assert knowledge.is_empty()
    assert not (await knowledge.retrieve("anything", ANA)).sufficient


@pytest.mark.parametrize(
    "address", ["ftp://h:1", "localhost:8000", "http://", f"http://ana:{TOKEN}@h:1", "http://h:x"]
)
def test_address_that_cannot_be_is_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place_of(ChromaSpec(server=address), tmp_path)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schlüssel"])
def test_token_that_no_header_may_hold_is_refused_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("CONCERTMASTER_CHROMA_TOKEN", token)
    with pytest.raises(ConfigError) as caught:
        place_of(ChromaSpec(server="http://h:1"), tmp_path)
    assert token not in str(caught.value)


def test_missing_certificates_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are no certificates"):
        place_of(ChromaSpec(server="https://h:1", ca=str(tmp_path / "none.pem")), tmp_path)


def test_environment_comes_before_the_description(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = ChromaSpec(server="http://described:1")
    assert isinstance(place_of(None, tmp_path), Folder)
    assert place_of(described, tmp_path).name.startswith("http://described:1")
    monkeypatch.setenv("CONCERTMASTER_CHROMA", "https://given:2/")
    place = place_of(described, tmp_path)
    assert isinstance(place, Server)
    assert place.url == "https://given:2"
    monkeypatch.setenv("CONCERTMASTER_CHROMA", "local")
    assert isinstance(place_of(described, tmp_path), Folder)
