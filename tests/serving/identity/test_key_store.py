import pytest

from concertmaster.contracts import Principal
from concertmaster.errors import Unauthenticated, UnknownPrincipal
from concertmaster.serving.identity import Sessions, by_key
from concertmaster.serving.identity.key_format import new_key_text

from .conftest import bearer, reason, request  # noqa: TID252


async def test_key_is_accepted_in_both_headers(store, ana):
    known = by_key(store.keys)
    for connection in (
        bearer(ana),
        request(("Authorization", f"bearer  {ana} ")),
        request(("x-api-key", ana)),
        request(("authorization", f"Bearer {ana}"), ("x-api-key", ana)),
    ):
        found = await known(connection)
        assert found == Principal(id="ana", roles=("customer",))


async def test_nothing_shown_is_not_signed_in(store, ana):
    known = by_key(store.keys)
    for connection in (
        request(),
        request(("authorization", f"Basic {ana}")),
        request(("authorization", ana)),
        request(("cookie", f"api_key={ana}")),
    ):
        assert await known(connection) is None


async def test_key_in_the_address_is_not_looked_at(store, ana):
    connection = request()
    connection.scope["query_string"] = f"api_key={ana}&access_token={ana}".encode()
    assert await by_key(store.keys)(connection) is None


async def test_made_up_key_is_refused_like_one_with_another_secret(store, ana):
    known = by_key(store.keys)
    made_up = new_key_text().text
    stem, other = ana[:16], made_up[16:-6]
    from concertmaster.serving.identity.key_format import _checksum

    forged = stem + other + _checksum(stem + other)
    told = set()
    for text in (made_up, forged):
        assert await reason(known, bearer(text)) == "unknown_key"
        with pytest.raises(Unauthenticated) as caught:
            await known(bearer(text))
        told.add(str(caught.value))
    assert len(told) == 1


async def test_key_with_a_typing_error_is_told_so(store, ana):
    wrong = ana[:-1] + ("A" if ana[-1] != "A" else "B")
    assert await reason(by_key(store.keys), bearer(wrong)) == "malformed_key"


async def test_revoked_key_is_refused_at_once(store, ana):
    known = by_key(store.keys)
    assert await known(bearer(ana))
    (key,) = store.keys.keys("ana")
    assert [k.id for k in await store.keys.revoke(key.id, by="root")] == [key.id]
    assert await reason(known, bearer(ana)) == "revoked_key"
    assert await store.keys.revoke(key.id, by="root") == []


async def test_revoking_a_user_revokes_every_key_and_ends_every_session(store, ana):
    _, second = await store.keys.create("ana", by="root")
    sessions = Sessions(store.file, store.resolve)
    cookie = await sessions.begin(store.resolve("ana"))
    assert len(await store.keys.revoke("ana", by="root")) == 2
    for text in (ana, second):
        assert await reason(by_key(store.keys), bearer(text)) == "revoked_key"
    assert await sessions.find(cookie) is None


async def test_key_that_was_found_somewhere_can_be_revoked_by_its_text(store, ana):
    assert len(await store.keys.revoke(ana, by="root")) == 1
    assert await reason(by_key(store.keys), bearer(ana)) == "revoked_key"


async def test_key_of_another_user_stays_when_one_is_revoked(store, ana):
    await store.add(Principal(id="ben"), by="root")
    _, bens = await store.keys.create("ben", by="root")
    await store.keys.revoke("ana", by="root")
    assert (await by_key(store.keys)(bearer(bens))).id == "ben"


async def test_key_is_good_until_it_expires(store, ana, clock):
    _, text = await store.keys.create("ana", by="root", seconds=3600)
    known = by_key(store.keys)
    clock.forward(minutes=59)
    assert await known(bearer(text))
    clock.forward(minutes=1)
    assert await reason(known, bearer(text)) == "expired_key"
    assert await known(bearer(ana))


async def test_disabled_user_has_no_key(store, ana):
    await store.disable("ana", by="root")
    assert await reason(by_key(store.keys), bearer(ana)) == "disabled_user"


async def test_roles_of_a_key_are_those_of_now(store, ana):
    await store.change("ana", by="root", roles=["staff"])
    assert (await by_key(store.keys)(bearer(ana))).roles == ("staff",)


async def test_last_use_is_noted_coarsely(store, ana, clock):
    known = by_key(store.keys)

    async def used():
        await known(bearer(ana))
        return store.keys.keys("ana")[0].used

    first = await used()
    clock.forward(minutes=9)
    assert await used() == first
    clock.forward(minutes=2)
    assert await used() > first


async def test_secret_is_nowhere_in_the_file(store, ana, path):
    await by_key(store.keys)(bearer(ana))
    stored = b"".join(f.read_bytes() for f in path.parent.glob("users.db*"))
    assert ana[3:15].encode() in stored
    assert ana[16:].encode() not in stored
    assert ana[16:40].encode() not in stored


async def test_key_for_nobody_is_not_made(store):
    with pytest.raises(UnknownPrincipal, match="nobody to make a key for"):
        await store.keys.create("ben", by="root")
    with pytest.raises(UnknownPrincipal, match="no key or user 'ben'"):
        await store.keys.revoke("ben", by="root")


async def test_wrong_secret_is_not_repeated_when_revoking(store):
    made_up = "cm_something_that_may_be_secret"
    with pytest.raises(UnknownPrincipal) as caught:
        await store.keys.revoke(made_up, by="root")
    assert "secret" not in str(caught.value)
