import asyncio

import pytest

from concertmaster.contracts import Principal
from concertmaster.errors import Unauthenticated, UnknownPrincipal
from concertmaster.serving.identity import (
    Codes,
    Sessions,
    SessionSettings,
    by_session,
    check_csrf,
    csrf_token,
)

from .conftest import bearer, reason, request  # noqa: TID252


@pytest.fixture
def sessions(store):
    return Sessions(store.file, store.resolve, SessionSettings(idle="1h", longest="12h"))


@pytest.fixture
async def cookie(store, ana, sessions):
    return await sessions.begin(store.resolve("ana"))


def browser(cookie, *headers, **more):
    """Return a browser's request over TLS."""
    more = {"scheme": "https", **more}
    return request(("cookie", f"theme=dark; __Host-cm_session={cookie}"), *headers, **more)


async def test_session_is_found_with_the_roles_of_now(store, sessions, cookie):
    assert (await sessions.find(cookie)).principal.roles == ("customer",)
    await store.change("ana", by="root", roles=["staff"])
    assert (await sessions.find(cookie)).principal.roles == ("staff",)


@pytest.mark.parametrize("value", [None, "", "x" * 43, "é" * 43, "x" * 100_000, "' OR 1=1 --"])
async def test_made_up_cookie_is_no_session(sessions, cookie, value):
    assert await sessions.find(value) is None


async def test_session_ends_when_idle(sessions, cookie, clock):
    clock.forward(minutes=50)
    assert await sessions.find(cookie)
    clock.forward(minutes=59)
    assert await sessions.find(cookie)
    clock.forward(minutes=60)
    assert await sessions.find(cookie) is None


async def test_session_ends_at_the_latest_whatever_is_done(sessions, cookie, clock):
    for _ in range(23):
        clock.forward(minutes=30)
        assert await sessions.find(cookie)
    clock.forward(minutes=30)
    assert await sessions.find(cookie) is None


async def test_sessions_that_are_over_are_removed(store, sessions, cookie, clock):
    clock.forward(hours=2)
    await sessions.begin(store.resolve("ana"))
    assert len(store.file.rows("SELECT 1 FROM sessions")) == 1


async def test_sign_out_ends_one_session(store, sessions, cookie):
    other = await sessions.begin(store.resolve("ana"))
    await sessions.end(cookie)
    assert await sessions.find(cookie) is None
    assert await sessions.find(other)


async def test_disabled_user_has_no_session_and_gets_none_back(store, sessions, cookie):
    ana = store.resolve("ana")
    await store.disable("ana", by="root")
    assert await sessions.find(cookie) is None
    with pytest.raises(UnknownPrincipal, match="no session begins"):
        await sessions.begin(ana)
    await store.disable("ana", by="root", disabled=False)
    assert await sessions.find(cookie) is None


async def test_session_of_somebody_whom_the_resolver_drops_is_over(store, sessions, cookie):
    nobody = Sessions(store.file, lambda _: None)
    assert await nobody.find(cookie) is None


async def test_sign_in_makes_a_new_value_and_ends_the_one_that_came_along(store, sessions, cookie):
    """A value that was planted in a browser before is not the session of who signs in."""
    fresh = await sessions.begin(store.resolve("ana"), instead_of=cookie)
    assert fresh != cookie
    assert await sessions.find(cookie) is None
    assert await sessions.find(fresh)


async def test_cookie_is_not_in_the_file_nor_in_what_is_printed(store, sessions, cookie, path):
    session = await sessions.find(cookie)
    stored = b"".join(f.read_bytes() for f in path.parent.glob("users.db*"))
    assert session.id.encode() in stored
    for secret in (cookie, csrf_token(session)):
        assert secret.encode() not in stored
        assert secret not in repr(session)


async def test_csrf_token_is_of_its_session(store, sessions, cookie):
    session = await sessions.find(cookie)
    other = await sessions.find(await sessions.begin(store.resolve("ana")))
    check_csrf(session, csrf_token(session))
    for wrong in (None, "", csrf_token(other), "é", cookie):
        with pytest.raises(Unauthenticated) as caught:
            check_csrf(session, wrong)
        assert caught.value.reason == "csrf"
        assert not wrong or wrong not in str(caught.value)


async def test_cookie_signs_in_what_is_safe_alone(sessions, cookie):
    known = by_session(sessions)
    assert (await known(browser(cookie))).id == "ana"
    assert await reason(known, browser(cookie, method="POST")) == "csrf"
    token = csrf_token(await sessions.find(cookie))
    sent = browser(cookie, ("x-csrf-token", token), method="POST")
    assert (await known(sent)).id == "ana"


async def test_websocket_needs_the_token_too(sessions, cookie):
    connection = browser(cookie)
    connection.scope["type"] = "websocket"
    del connection.scope["method"]
    assert await reason(by_session(sessions), connection) == "csrf"


async def test_two_cookies_of_one_name_are_refused(store, sessions, cookie):
    """Another host of the domain can set one; which comes first is up to the browser."""
    other = await sessions.begin(store.resolve("ana"))
    twice = request(
        ("cookie", f"__Host-cm_session={other}; __Host-cm_session={cookie}"), scheme="https"
    )
    assert await reason(by_session(sessions), twice) == "several_credentials"


async def test_cookie_without_its_prefix_is_not_read_over_tls(sessions, cookie):
    plain = request(("cookie", f"cm_session={cookie}"), scheme="https")
    assert await by_session(sessions)(plain) is None


async def test_bearer_credential_does_not_sign_in_here(sessions, ana):
    assert await by_session(sessions)(bearer(ana)) is None


@pytest.fixture
def codes(store):
    return Codes(store)


async def test_code_signs_in_once(codes, ana):
    code = await codes.create("ana", by="root")
    assert (await codes.sign_in(f" {code}\n")).id == "ana"
    with pytest.raises(Unauthenticated) as caught:
        await codes.sign_in(code)
    assert caught.value.reason == "used_code"
    assert code not in str(caught.value)


async def test_code_that_two_people_use_at_once_is_good_for_one(codes, ana):
    code = await codes.create("ana", by="root")
    ends = await asyncio.gather(*(codes.sign_in(code) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(end, Principal) for end in ends) == 1


async def test_code_is_good_for_some_minutes(codes, ana, clock):
    code = await codes.create("ana", by="root")
    clock.forward(minutes=10)
    with pytest.raises(Unauthenticated, match="too old"):
        await codes.sign_in(code)


@pytest.mark.parametrize("end", ["disable", "revoke", "another"])
async def test_code_ends_with_what_it_stands_for(store, codes, ana, end):
    code = await codes.create("ana", by="root")
    if end == "disable":
        await store.disable("ana", by="root")
    elif end == "revoke":
        await store.keys.revoke("ana", by="root")
    else:
        await codes.create("ana", by="root")
    with pytest.raises(Unauthenticated):
        await codes.sign_in(code)


async def test_code_for_a_disabled_user_is_not_made(store, codes, ana):
    await store.disable("ana", by="root")
    with pytest.raises(UnknownPrincipal, match="disabled"):
        await codes.create("ana", by="root")


async def test_key_signs_in_as_well_and_other_text_does_not(codes, ana, caplog):
    assert (await codes.sign_in(ana)).id == "ana"
    for text in ("", "password", "once_x", ana[:-1], "once_" + "x" * 43):
        caplog.clear()
        with pytest.raises(Unauthenticated) as caught:
            await codes.sign_in(text)
        assert caplog.messages == [f"refused to sign in: {caught.value.reason} (-)"]
        assert not text or text not in caplog.text + str(caught.value)


async def test_code_is_not_in_the_file(codes, ana, path):
    code = await codes.create("ana", by="root")
    stored = b"".join(f.read_bytes() for f in path.parent.glob("users.db*"))
    assert code.removeprefix("once_").encode() not in stored


async def test_code_is_no_api_key_and_no_session(store, sessions, codes, ana):
    code = await codes.create("ana", by="root")
    assert await sessions.find(code) is None
    assert await by_session(sessions)(browser(code)) is None
