"""Nobody becomes somebody else: what a whole server makes of what it is shown."""

import logging

import httpx
import pytest
import yaml
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from concertmaster.contracts import Principal
from concertmaster.errors import IdentityDown, Unauthenticated
from concertmaster.serving.identity import (
    IdentitySettings,
    agreed,
    by_key,
    challenge,
    first_of,
    open_identity,
    refuse,
    session_cookie,
    status_of,
)

from .conftest import RSA, bearer, jwk, jwks, reason, request, token  # noqa: TID252


@pytest.fixture
async def identity(path, issuer):
    settings = IdentitySettings(users=path, issuers=(issuer(),))
    with open_identity(settings) as opened:
        for who, role in (("ana", "customer"), ("li", "finance")):
            await opened.store.add(Principal(id=who, roles=(role,)), by="root")
        yield opened


@pytest.fixture
async def key(identity):
    """Return Ana's key."""
    return (await identity.store.keys.create("ana", by="root"))[1]


@pytest.fixture
async def cookie(identity):
    """Return the cookie of Li's session."""
    return await identity.sessions.begin(identity.resolve("li"))


SPOOFS = {
    "x-forwarded-user": "li",
    "x-forwarded-email": "li",
    "x-remote-user": "li",
    "remote-user": "li",
    "x-auth-request-user": "li",
    "x-user-id": "li",
    "openai-organization": "li",
    "forwarded": "for=li;by=li",
    "from": "li",
}


@pytest.mark.parametrize("name", SPOOFS)
async def test_header_makes_nobody_of_somebody(identity, key, name):
    assert await identity.authenticate(request((name, SPOOFS[name]))) is None
    found = await identity.authenticate(
        request((name, SPOOFS[name]), ("authorization", f"Bearer {key}"))
    )
    assert found.id == "ana"


async def test_body_and_address_make_nobody_of_somebody(identity, key):
    """OpenAI's `user`, and whatever else a body or a query says."""

    async def who(request_):
        body = await request_.json()
        found = await identity.authenticate(request_)
        return JSONResponse({"said": body["user"], "is": found.id if found else None})

    app = Starlette(routes=[Route("/", who, methods=["POST"])])
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.example")
    async with client:
        body = {"user": "li", "principal": {"id": "li"}, "metadata": {"user_id": "li"}}
        for headers, expected in (({}, None), ({"authorization": f"Bearer {key}"}, "ana")):
            answer = await client.post("/?user=li&principal=li", json=body, headers=headers)
            assert answer.json() == {"said": "li", "is": expected}


@pytest.mark.parametrize("second", ["authorization", "x-api-key"])
async def test_two_credentials_at_once_are_refused(identity, key, second):
    _, other = await identity.store.keys.create("li", by="root")
    for one, two in ((key, other), (other, key), (key, "cm_nonsense"), (key, token())):
        shown = (second, two if second == "x-api-key" else f"Bearer {two}")
        both = request(("authorization", f"Bearer {one}"), shown)
        assert await reason(identity.authenticate, both) == "several_credentials"


def with_cookie(cookie, *headers, **more):
    return request(("cookie", f"__Host-cm_session={cookie}"), *headers, scheme="https", **more)


async def test_key_and_cookie_of_different_people_are_refused(identity, key, cookie):
    for method in ("GET", "POST"):
        both = with_cookie(cookie, ("authorization", f"Bearer {key}"), method=method)
        assert await reason(identity.authenticate, both) == "several_credentials"


async def test_key_and_cookie_of_one_person_are_accepted(identity, cookie):
    _, lis = await identity.store.keys.create("li", by="root")
    for method in ("GET", "POST"):
        both = with_cookie(cookie, ("authorization", f"Bearer {lis}"), method=method)
        assert (await identity.authenticate(both)).id == "li"


@pytest.mark.parametrize("text", ["nonsense", "cm_nonsense", "Basic abc", "a.b.c"])
async def test_cookie_does_not_make_up_for_a_credential_that_is_wrong(identity, cookie, text):
    for method in ("GET", "POST"):
        value = text if " " in text else f"Bearer {text}"
        both = with_cookie(cookie, ("authorization", value), method=method)
        assert await reason(identity.authenticate, both) in {"unknown_credential", "malformed_key"}


async def test_cookie_alone_changes_nothing(identity, cookie):
    assert (await identity.authenticate(with_cookie(cookie))).id == "li"
    assert await reason(identity.authenticate, with_cookie(cookie, method="POST")) == "csrf"
    basic = with_cookie(cookie, ("authorization", "Basic eDp5"), method="POST")
    assert await reason(identity.authenticate, basic) == "unknown_credential"


@pytest.mark.parametrize(
    "value", ["Basic abc", "Bearer", "Bearer ", "Bearer sk-1234", "", "Bearer a b", "é", "cm_x"]
)
async def test_credential_that_nobody_knows_is_refused(identity, value):
    connection = request(("authorization", value))
    assert await reason(identity.authenticate, connection) == "unknown_credential"


async def test_nothing_shown_is_not_signed_in(identity):
    assert await identity.authenticate(request()) is None


async def test_key_and_token_are_known_by_one_server(identity, key):
    assert (await identity.authenticate(bearer(key))).id == "ana"
    assert (await identity.authenticate(bearer(token()))).id == "corp:4711"
    assert identity.resolve("corp:4711").roles == ("customer",)


async def test_token_of_an_undeclared_issuer_is_refused(identity):
    text = token(iss="https://evil.example")
    assert await reason(identity.authenticate, bearer(text)) == "unknown_credential"


@pytest.mark.parametrize(
    "bad",
    [
        lambda key: bearer(key[:-3] + "xyz"),
        lambda key: bearer(token() + "x"),
        lambda key: bearer(token(exp=1)),
        lambda key: bearer("sk-very-secret-indeed"),
        lambda key: request(("authorization", f"Bearer {key}"), ("x-api-key", "other-secret-text")),
        lambda key: with_cookie("c" * 43, ("authorization", "Bearer sk-very-secret-indeed")),
    ],
)
async def test_refusal_is_logged_with_its_reason_and_without_the_credential(
    identity, key, caplog, bad
):
    connection = bad(key)
    with caplog.at_level(logging.DEBUG), pytest.raises(Unauthenticated) as caught:
        await identity.authenticate(connection)
    assert f"refused 192.0.2.7: {caught.value.reason}" in caplog.text
    for name in ("authorization", "x-api-key", "cookie"):
        for value in connection.headers.getlist(name):
            secret = value.rpartition(" ")[2].rpartition("=")[2]
            assert secret not in caplog.text
            assert secret[-20:] not in caplog.text


async def test_hosts_own_sign_in_is_one_more(identity, key):
    """A host's callable takes its place among ours; the first that knows the caller decides."""

    async def own(connection):
        return Principal(id="host:9") if connection.headers.get("x-ticket") == "t" else None

    both = first_of(by_key(identity.store.keys), own)
    assert (await both(bearer(key))).id == "ana"
    assert (await both(request(("x-ticket", "t")))).id == "host:9"
    assert await both(request()) is None
    known = agreed(by_key(identity.store.keys), own)
    mixed = request(("authorization", f"Bearer {key}"), ("x-ticket", "t"))
    assert await reason(known, mixed) == "several_credentials"


async def test_refusal_is_not_made_up_for_by_the_next(identity, key):
    async def anybody(_):
        return Principal(id="guest")

    known = first_of(by_key(identity.store.keys), anybody)
    await identity.store.keys.revoke("ana", by="root")
    assert await reason(known, bearer(key)) == "revoked_key"


async def test_issuer_that_is_down_lets_nobody_in(path, issuer, served):
    served.status = 500
    declared = issuer(jwks_file=None, jwks_url=served.url)
    with open_identity(IdentitySettings(users=path, issuers=(declared,))) as identity:
        with pytest.raises(IdentityDown):
            await identity.authenticate(bearer(token()))
        assert await identity.authenticate(request()) is None


async def test_issuer_is_not_asked_for_tokens_that_cannot_be_its(path, issuer, served):
    declared = issuer(jwks_file=None, jwks_url=served.url)
    with open_identity(IdentitySettings(users=path, issuers=(declared,))) as identity:
        for text in (token(iss="https://evil.example"), token(algorithm="RS384"), "nonsense"):
            with pytest.raises(Unauthenticated):
                await identity.authenticate(bearer(text))
        assert served.asked == []
        served.body = jwks(jwk(RSA, "k1")).encode()
        assert await identity.authenticate(bearer(token()))
        assert served.asked == ["/jwks"]


def test_refusal_tells_the_client_how_to_sign_in():
    assert challenge() == {"WWW-Authenticate": 'Bearer realm="concertmaster"'}
    told = challenge(refuse("expired_key", "over"))["WWW-Authenticate"]
    assert told == 'Bearer realm="concertmaster", error="invalid_token"'
    assert "invalid_request" in challenge(refuse("csrf", "no"))["WWW-Authenticate"]
    assert [status_of(refuse(r, "")) for r in ("csrf", "revoked_key")] == [403, 401]


SETTINGS = """
users: /srv/desk/users.db
sessions: {idle: 30m, longest: 8h}
issuers:
  - name: corp
    issuer: https://login.example/realms/shop
    audience: [https://desk.example]
    jwks_url: https://login.example/realms/shop/certs
    claims: {roles: realm_access.roles, tenant: org}
    leeway: 30s
    believed: 8h
"""


def test_settings_are_read_from_yaml():
    settings = IdentitySettings.model_validate(yaml.safe_load(SETTINGS))
    assert settings.sessions.idle == 1800
    assert settings.issuers[0].leeway == 30
    assert settings.issuers[0].claims.roles == "realm_access.roles"
    assert settings.issuers[0].algorithms == ("RS256", "ES256")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("https://login.example/realms/shop/certs", "http://login.example/certs", "https://"),
        ("https://login.example/realms/shop/certs", "file:///etc/keys", "https://"),
        ("https://login.example/realms/shop/certs", "http://127.0.0.1.evil.example", "https://"),
        ("https://login.example/realms/shop/certs", "https://u:pw@login.example", "password"),
        ("    jwks_url: https://login.example/realms/shop/certs\n", "", "one of them"),
        ("audience: [https://desk.example]", "audience: []", "at least 1"),
        ("name: corp", "name: 'a:b'", "pattern"),
        ("leeway: 30s", "leeway: 1h", "300"),
        ("leeway: 30s", "leway: 30s", "Extra inputs"),
        ("leeway: 30s", "subjects: users", "leave `claims` out"),
        ("users: /srv/desk/users.db", "password: x", "Extra inputs"),
        ("{roles: realm_access.roles, tenant: org}", "{admin: is_admin}", "Extra inputs"),
    ],
)
def test_settings_that_would_be_unsafe_or_are_unknown_are_refused(old, new, told):
    assert old in SETTINGS
    with pytest.raises(ValidationError, match=told):
        IdentitySettings.model_validate(yaml.safe_load(SETTINGS.replace(old, new)))


@pytest.mark.parametrize("same", ["name", "issuer"])
def test_two_issuers_of_one_name_are_refused(issuer, same):
    other = {"name": "partner", "issuer": "https://partner.example"}
    other.pop(same)
    with pytest.raises(ValidationError, match=f"same {same}"):
        IdentitySettings(issuers=(issuer(), issuer(**other)))


async def test_session_begun_with_a_token_lasts_as_long_as_it_is_believed(identity):
    found = await identity.authenticate(bearer(token()))
    cookie = session_cookie(request(scheme="https"), await identity.sessions.begin(found))
    assert (await identity.authenticate(with_cookie(cookie.value))).id == "corp:4711"
    await identity.store.disable("corp:4711", by="root")
    assert await identity.authenticate(with_cookie(cookie.value)) is None
