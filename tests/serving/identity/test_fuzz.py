"""Whatever a request shows: the answer is a principal, nobody or a refusal, and nothing breaks."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concertmaster.contracts import Principal
from concertmaster.errors import Unauthenticated
from concertmaster.serving.identity import IdentitySettings, open_identity

from .conftest import AUDIENCE, ISSUER, RSA, request, token  # noqa: TID252

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["authorization", "x-api-key", "cookie", "host", "x-csrf-token", "x-forwarded-proto", "origin"]
)
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=60),
    st.sampled_from(["Bearer cm_", "Bearer a.b.c", "cm_session=x; cm_session=y", "once_", "[::"]),
)
HEADS = st.fixed_dictionaries(
    {"alg": st.sampled_from(["RS256", "none", "HS256", "ES256"]) | JSON},
    optional=dict.fromkeys(("kid", "typ", "crit", "jwk", "jku", "x5c", "b64", "zip"), JSON),
)
CLAIMS = st.fixed_dictionaries(
    {"iss": st.just(ISSUER) | JSON},
    optional=dict.fromkeys(("aud", "sub", "exp", "iat", "nbf", "jti", "realm_access"), JSON),
)


@pytest.fixture
def authenticate(path, issuer):
    with open_identity(IdentitySettings(users=path, issuers=(issuer(),))) as identity:
        yield identity.authenticate


FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def part(value) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


async def outcome(authenticate, connection):
    """Return whom a request is of, or the reason of the refusal."""
    try:
        return await authenticate(connection)
    except Unauthenticated as refused:
        return refused.reason


async def nobody(authenticate, connection):
    assert not isinstance(await outcome(authenticate, connection), Principal)


@FUZZ
@given(
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    method=st.sampled_from("GET POST".split()),
)
async def test_any_headers(authenticate, headers, method):
    await nobody(authenticate, request(*headers, method=method))


@FUZZ
@given(head=HEADS, claims=CLAIMS, signature=st.binary(max_size=64))
async def test_any_token_with_a_made_up_signature(authenticate, head, claims, signature):
    text = f"{part(head)}.{part(claims)}.{part(signature)}"
    await nobody(authenticate, request(("authorization", f"Bearer {text}")))


@FUZZ
@given(claims=st.dictionaries(st.sampled_from(["sub", "name", "realm_access"]), JSON, min_size=1))
async def test_any_claims_that_the_issuer_signed(authenticate, claims):
    """Signed by the issuer, and of the form that is expected or refused."""
    text = token(RSA, aud=AUDIENCE, **claims)
    found = await outcome(authenticate, request(("authorization", f"Bearer {text}")))
    if isinstance(found, Principal):
        assert found.id == f"corp:{claims.get('sub', '4711')}"
    else:
        assert found in {"refused_claim", "malformed_token"}


@FUZZ
@given(place=st.integers(0, 2000), character=st.sampled_from("AZaz09-_.="))
async def test_any_change_of_a_token(authenticate, place, character):
    good = token()
    place %= len(good)
    if good[place] != character:
        changed = good[:place] + character + good[place + 1 :]
        await nobody(authenticate, request(("authorization", f"Bearer {changed}")))
