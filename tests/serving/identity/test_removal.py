"""Somebody who is removed is gone at once and for good, and nobody gets what was theirs."""

import json

import pytest

from concertmaster.contracts import Principal
from concertmaster.errors import ConfigError, StorageError, Unauthenticated, UnknownPrincipal
from concertmaster.serving.identity import Codes, Sessions, UserStore, by_token
from concertmaster.serving.identity.key_set import FileKeys
from concertmaster.serving.identity.schema import MIGRATIONS
from concertmaster.serving.threads import named
from concertmaster.storage import Database

from .conftest import bearer, reason, token  # noqa: TID252

ANA = Principal(
    id="ana@shop.example",
    name="Ana Aalto",
    roles=("customer", "finance"),
    groups=("harbour-street",),
    tenant="shop-of-ana",
)
PERSONAL = (b"ana@shop", b"Aalto", b"harbour-street", b"shop-of-ana", b"kitchen", b"ANA@SHOP")


def bytes_of(path) -> bytes:
    return b"".join(f.read_bytes() for f in path.parent.glob(f"{path.name}*"))


@pytest.fixture
async def there(store):
    """Add ana, who has a key, a session and a code, and changed and did things."""
    await store.add(ANA, by="root")
    text = (await store.keys.create(ANA.id, by="root", note="kitchen laptop"))[1]
    await store.change(ANA.id, by=ANA.id, name="Ana B. Aalto", groups=("harbour-street", "night"))
    await store.edit_names(ANA.id, "roles", by="dora", add=["manager"])
    await store.add(Principal(id="ben"), by=ANA.id)
    sessions, codes = Sessions(store.file, store.resolve), Codes(store)
    cookie = await sessions.begin(ANA)
    return text, cookie, await codes.create(ANA.id, by="root")


async def test_keys_sessions_and_codes_end_at_once_wherever_the_file_is_open(
    store, there, path, clock
):
    text, cookie, code = there
    server = UserStore.open(path, clock=clock)
    try:
        sessions = Sessions(server.file, server.resolve)
        assert (await server.keys.check(text)).id == ANA.id
        assert await sessions.find(cookie)
        done = await store.remove(ANA.id, by="dora")
        assert (done.keys, done.sessions) == (1, 1)
        assert server.resolve(ANA.id) is None
        with pytest.raises(Unauthenticated) as refused:
            await server.keys.check(text)
        assert refused.value.reason == "unknown_key"
        assert await sessions.find(cookie) is None
        with pytest.raises(Unauthenticated) as refused:
            await Codes(server).sign_in(code)
        assert refused.value.reason == "used_code"
        with pytest.raises(UnknownPrincipal):
            await sessions.begin(ANA)
    finally:
        server.close()


async def test_nothing_that_was_stored_of_the_person_is_left(store, there, path):
    assert all(word in bytes_of(path) for word in PERSONAL[:-1])
    done = await store.remove(ANA.id, by=ANA.id)
    assert done.purged
    left = bytes_of(path)
    assert not [word for word in PERSONAL if word in left]


async def test_log_goes_on_to_tell_what_was_done_and_no_longer_of_whom(store, there):
    before = store.changes()
    done = await store.remove(ANA.id, by="dora")
    after = store.changes()
    assert [(c.seq, c.at, c.what) for c in after[:-1]] == [(c.seq, c.at, c.what) for c in before]
    assert (after[-1].what, after[-1].by, after[-1].subject) == ("removed", "dora", done.tag)
    told = {(c.what, c.by, c.subject) for c in after}
    assert {("added", "root", done.tag), ("changed", done.tag, done.tag)} <= told
    assert {("changed", "dora", done.tag), ("added", done.tag, "ben")} <= told
    assert ANA.id not in json.dumps([c.model_dump() for c in after])
    roles = next(c.detail for c in after if c.by == "dora" and c.what == "changed")
    assert roles["after"] == {"roles": ["customer", "finance", "manager"]}
    named_so = next(c.detail for c in after if c.what == "changed" and c.by == done.tag)
    assert named_so == {"before": {}, "after": {}}


async def test_log_takes_a_tag_only_in_place_of_somebody_who_is_gone(store, there):
    done = await store.remove(ANA.id, by="dora")
    await store.add(Principal(id="mo"), by="root")
    for sql in (
        "UPDATE changes SET subject = 'x' WHERE subject = 'ben'",
        f"UPDATE changes SET subject = '{done.tag}' WHERE subject = 'mo'",
        f"UPDATE changes SET by = 'mo' WHERE by = '{done.tag}'",
        "UPDATE changes SET detail = '[]' WHERE subject = 'mo'",
        "UPDATE changes SET what = 'x'",
        "DELETE FROM changes",
    ):
        with pytest.raises(StorageError, match="only ever added"):
            await store.file.write(lambda connection, sql=sql: connection.execute(sql))


@pytest.mark.parametrize("id_", [ANA.id, "Ana@Shop.example"])
async def test_id_of_somebody_removed_is_given_to_nobody_in_passing(store, there, id_):
    await store.remove(ANA.id, by="dora")
    assert store.was_removed(id_)
    with pytest.raises(ConfigError, match="was removed"):
        await store.add(Principal(id=id_), by="root")
    assert store.resolve(id_) is None
    # Others are not held up by it.
    await store.add(Principal(id="olga"), by="root")
    assert not store.was_removed("olga")


async def test_same_person_may_be_taken_in_again_on_the_record(store, there):
    sessions = Sessions(store.file, store.resolve)
    cookie = await sessions.begin(ANA)
    rows = store.file.rows("SELECT * FROM sessions")
    await store.remove(ANA.id, by="dora")
    # A sign-in that was under way meanwhile left its session behind.
    late = [tuple(row) for row in rows]
    sql = "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)"
    await store.file.write(lambda connection: connection.executemany(sql, late))
    again = Principal(id=ANA.id, tenant=ANA.tenant)
    await store.add(again, by="dora", again=True)
    assert store.changes(ANA.id)[-1].detail["again"] is True
    # Which is why it has to be asked for: the threads are those of before.
    assert named(again, "t-1") == named(ANA, "t-1")
    assert store.resolve(ANA.id).roles == ()
    assert await sessions.find(cookie) is None
    await store.remove(ANA.id, by="dora")
    with pytest.raises(ConfigError, match="was removed"):
        await store.add(ANA, by="root")


async def test_digest_of_an_id_is_another_one_each_time(store, there):
    stored = []
    for _ in range(2):
        await store.remove(ANA.id, by="dora")
        (row,) = store.file.rows("SELECT tag, salt, digest FROM removed")
        stored.append((row["tag"], bytes(row["salt"]), bytes(row["digest"])))
        await store.add(ANA, by="dora", again=True)
    assert all(one != other for one, other in zip(*stored, strict=True))
    assert not store.file.rows("SELECT tag FROM removed")


async def test_somebody_whom_tokens_name_stays_out_until_enabled(store, issuer, path):
    declared = issuer(claims={"roles": "realm_access.roles", "name": "name"})
    known = by_token(declared, FileKeys(declared.jwks_file), store)
    shown = bearer(token(name="Ana Aalto"))
    assert (await known(shown)).id == "corp:4711"
    done = await store.remove("corp:4711", by="dora")
    assert done.purged
    assert b"Aalto" not in bytes_of(path)
    assert await reason(known, shown) == "removed_user"
    assert store.resolve("corp:4711") is None
    assert (await known(bearer(token(sub="4712")))).id == "corp:4712"
    await store.disable("corp:4711", by="dora", disabled=False)
    assert (await known(shown)).id == "corp:4711"


async def test_whom_nobody_knows_cannot_be_removed_and_enabling_brings_no_user_back(store, there):
    with pytest.raises(UnknownPrincipal):
        await store.remove("nobody", by="mallory")
    assert "mallory" not in {change.by for change in store.changes()}
    await store.remove(ANA.id, by="dora")
    for id_ in (ANA.id, "corp:nobody"):
        with pytest.raises(UnknownPrincipal):
            await store.disable(id_, by="mallory", disabled=False)
    assert store.was_removed(ANA.id)


async def test_file_of_before_is_brought_up_to_date(path, clock):
    old = Database.open(path, MIGRATIONS[:1])
    await old.write(
        lambda c: c.execute(
            "INSERT INTO users (id, principal, created) VALUES (?, ?, '2026')",
            (ANA.id, ANA.model_dump_json()),
        )
    )
    old.close()
    store = UserStore.open(path, clock=clock)
    try:
        assert store.resolve(ANA.id) == ANA
        await store.remove(ANA.id, by="dora")
        assert not [word for word in PERSONAL if word in bytes_of(path)]
    finally:
        store.close()
