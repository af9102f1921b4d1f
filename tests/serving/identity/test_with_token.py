import base64
import hashlib
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from concertmaster.contracts import Principal
from concertmaster.errors import ConfigError, IdentityDown
from concertmaster.serving.identity import by_token
from concertmaster.serving.identity.key_set import FileKeys

from .conftest import (  # noqa: TID252
    AUDIENCE,
    EC,
    ED,
    OTHER_RSA,
    RSA,
    bearer,
    jwk,
    jwks,
    reason,
    request,
    token,
)


@pytest.fixture
def known(store, issuer):
    """Return the authenticator of an issuer with what is declared otherwise."""

    def make(**changes):
        declared = issuer(**changes)
        return by_token(declared, FileKeys(declared.jwks_file), store)

    return make


def part(value) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def payload(text) -> str:
    return text.split(".")[1]


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA, "RS256", "k1"), (EC, "ES256", "e1"), (ED, "EdDSA", "d1"), (RSA, "RS256", None)],
)
async def test_token_of_the_issuer_is_known(known, key, algorithm, kid):
    found = await known()(bearer(token(key, algorithm=algorithm, kid=kid)))
    assert found == Principal(id="corp:4711", roles=("customer",))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (lambda: token(aud="https://other.example"), "wrong_audience"),
        (lambda: token(aud=AUDIENCE + "/"), "wrong_audience"),
        (lambda: token(aud=[]), "missing_claim"),
        (lambda: token(aud=[7]), "wrong_audience"),
        (lambda: token(aud=None), "missing_claim"),
        (lambda: token(exp=time.time() - 61), "expired_token"),
        (lambda: token(exp=None), "missing_claim"),
        (lambda: token(iat=None), "missing_claim"),
        (lambda: token(nbf=time.time() + 70), "early_token"),
        (lambda: token(iat=time.time() + 70), "early_token"),
        (lambda: token(sub=None), "refused_claim"),
        (lambda: token(sub=""), "refused_claim"),
        (lambda: token(sub="a b"), "refused_claim"),
        (lambda: token(sub="x" * 151), "refused_claim"),
        (lambda: token(sub="a\u202eb"), "refused_claim"),
        (lambda: token(exp="soon"), "malformed_token"),
        (lambda: token(exp=float("inf")), "malformed_token"),
        (lambda: token(iat=[1]), "malformed_token"),
        (lambda: token(OTHER_RSA), "wrong_signature"),
        (lambda: token(kid="k2"), "unknown_signing_key"),
        (lambda: token(kid="e1"), "unknown_signing_key"),
        (lambda: token(kid="../../../../dev/null"), "unknown_signing_key"),
        (lambda: token(kid="https://evil.example/jwks"), "unknown_signing_key"),
        (lambda: token(kid="k1' OR '1'='1"), "unknown_signing_key"),
        (lambda: token(kid="k" * 201), "malformed_token"),
        (lambda: token(algorithm="RS512"), "refused_algorithm"),
        (lambda: token(algorithm="PS256"), "refused_algorithm"),
        (lambda: token(realm_access={"roles": "a b"}), "refused_claim"),
        (lambda: token(realm_access={"roles": {"admin": True}}), "refused_claim"),
        (lambda: token(realm_access={"roles": [1]}), "refused_claim"),
        (lambda: token(realm_access={"roles": ["r"] * 201}), "refused_claim"),
    ],
)
async def test_token_that_is_wrong_is_refused(known, text, why):
    assert await reason(known(), bearer(text())) == why


async def test_clocks_may_differ_by_as_much_as_declared(known):
    now = time.time()
    assert await known()(bearer(token(exp=now - 30)))
    assert await known()(bearer(token(nbf=now + 30)))
    strict = known(leeway="5s")
    assert await reason(strict, bearer(token(exp=now - 30))) == "expired_token"
    assert await reason(strict, bearer(token(nbf=now + 30))) == "early_token"


async def test_token_without_a_signature_is_refused(known):
    body = payload(token())
    for algorithm in ("none", "None", "NONE", ""):
        unsigned = f"{part({'alg': algorithm, 'kid': 'k1'})}.{body}."
        assert await reason(known(), bearer(unsigned)) == "refused_algorithm"
    assert await reason(known(), bearer(f"{part({'kid': 'k1'})}.{body}.")) == "refused_algorithm"


async def test_public_key_is_no_shared_secret(known):
    """HS256 over the issuer's RSA key, in every form in which it is published."""
    public = RSA.public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = [
        public.public_bytes(serialization.Encoding.PEM, form),
        public.public_bytes(serialization.Encoding.DER, form),
        json.dumps(jwk(RSA, "k1")).encode(),
    ]
    for secret in secrets:
        signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'k1'})}.{payload(token())}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        assert await reason(known(), bearer(f"{signed}.{part(mac)}")) == "refused_algorithm"


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS1", "ES256K"])
def test_shared_secrets_and_no_signature_cannot_be_declared(issuer, algorithm):
    with pytest.raises(ValueError, match="algorithms"):
        issuer(algorithms=[algorithm])


async def test_key_of_the_set_serves_its_own_kind_only(known, issuer):
    """What the header says of the algorithm has no key used for another one."""
    file = issuer().jwks_file
    file.write_text(
        jwks(jwk(RSA, "k1", alg="RS512"), jwk(EC, "e1"), jwk(OTHER_RSA, "x", use="enc"))
    )
    for text in (token(), token(OTHER_RSA, kid="x"), token(kid="e1")):
        assert await reason(known(), bearer(text)) == "unknown_signing_key"


async def test_shared_and_private_and_short_keys_of_a_set_verify_nothing(known, issuer):
    secret = {"kty": "oct", "k": part(b"s" * 32), "kid": "s1", "alg": "HS256"}
    private = json.loads(__import__("jwt").algorithms.RSAAlgorithm.to_jwk(OTHER_RSA))
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    file = issuer().jwks_file
    file.write_text(jwks(secret, {**private, "kid": "p1"}, jwk(short, "w1"), {"kty": "RSA"}, 7))
    assert await reason(known(), bearer(token(OTHER_RSA, kid="p1"))) == "unknown_signing_key"
    with pytest.warns(Warning, match="below"):
        weak = token(short, kid="w1")
    assert await reason(known(), bearer(weak)) == "unknown_signing_key"


@pytest.mark.parametrize("name", ["jku", "x5u"])
async def test_key_behind_a_url_in_the_header_is_not_fetched(known, served, name):
    served.body = jwks(jwk(OTHER_RSA, "k1")).encode()
    text = token(OTHER_RSA, headers={name: served.url})
    assert await reason(known(), bearer(text)) == "wrong_signature"
    assert served.asked == []


async def test_key_in_the_header_is_not_used(known):
    text = token(OTHER_RSA, headers={"jwk": jwk(OTHER_RSA, "k1")})
    assert await reason(known(), bearer(text)) == "wrong_signature"


async def test_token_with_critical_extensions_is_not_accepted(known):
    text = token(headers={"crit": ["exp"], "exp": 1})
    assert await known()(bearer(text)) is None


async def test_changed_claim_breaks_the_signature(known):
    head, body, signature = token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = f"{head}.{part({**claims, 'realm_access': {'roles': ['admin']}})}.{signature}"
    assert await reason(known(), bearer(forged)) == "wrong_signature"


@pytest.mark.parametrize(
    "text", ["a.b.c", "..", "eyJhbGciOiJSUzI1NiJ9..x", "é.b.c", "a.b.c.d.e", f"{'a.' * 5000}"]
)
async def test_text_that_is_no_token_is_left_to_others(known, text):
    assert await known()(bearer(text)) is None


@pytest.mark.parametrize("issuer_", ["https://evil.example", None, 7, ["x"]])
async def test_token_of_another_issuer_is_left_to_others(known, issuer_):
    now = int(time.time())
    claims = {"iss": issuer_, "aud": AUDIENCE, "sub": "1", "iat": now, "exp": now + 60}
    head = part({"alg": "RS256", "kid": "k1"})
    assert await known()(bearer(f"{head}.{part(claims)}.{part(b'x' * 256)}")) is None


async def test_deeply_nested_token_is_no_error(known):
    nested = b'{"iss":' + b"[" * 8000
    assert await known()(bearer(f"{part({'alg': 'RS256'})}.{part(nested)}.x")) is None


async def test_oversized_token_is_refused_unread(known):
    assert await reason(known(), bearer(token(padding="x" * 20_000))) == "oversized"


async def test_token_counts_in_the_authorization_header_only(known):
    assert await known()(request(("x-api-key", token()))) is None
    assert await known()(request(("cookie", f"token={token()}"))) is None


async def test_issuers_do_not_vouch_for_each_other(store, issuer, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(jwks(jwk(OTHER_RSA, "k1")))
    partner = issuer(name="partner", issuer="https://partner.example", jwks_file=other)
    known = by_token(partner, FileKeys(other), store)
    text = token(RSA, iss="https://partner.example")
    assert await reason(known, bearer(text)) == "wrong_signature"
    text = token(OTHER_RSA, iss="https://partner.example")
    assert (await known(bearer(text))).id == "partner:4711"


async def test_subject_is_never_a_users_id(store, known, ana):
    found = await known()(bearer(token(sub="ana")))
    assert found.id == "corp:ana"
    assert store.resolve("ana").id == "ana"


async def test_subject_is_a_users_id_where_that_is_declared(store, known, ana):
    mapped = known(subjects="users", claims={})
    assert await mapped(bearer(token(sub="ana"))) == store.resolve("ana")
    assert await reason(mapped, bearer(token(sub="ben"))) == "unknown_user"
    assert await reason(mapped, bearer(token(sub="ANA"))) == "unknown_user"
    await store.disable("ana", by="root")
    assert await reason(mapped, bearer(token(sub="ana"))) == "disabled_user"


async def test_claims_give_roles_groups_and_tenant_as_declared(known):
    declared = {
        "roles": "https://shop.example/roles",
        "groups": "scope",
        "tenant": "org.id",
        "rename": {"CM Finance": "finance", "read": "readers"},
    }
    claims = {
        "https://shop.example/roles": ["CM Finance", "admin", 7],
        "scope": "openid read",
        "org": {"id": "t-9"},
        "name": "Ana Duarte",
    }
    found = await known(claims=declared)(bearer(token(**claims)))
    assert found == Principal(
        id="corp:4711", name="Ana Duarte", roles=("finance",), groups=("readers",), tenant="t-9"
    )


async def test_claims_that_are_not_declared_give_nothing(known):
    text = token(roles=["admin"], groups=["admins"], tenant="t-1", user="root")
    assert await known(claims={})(bearer(text)) == Principal(id="corp:4711")


async def test_required_claim_has_to_be_there(known):
    asked = known(require=["acr"])
    assert await reason(asked, bearer(token())) == "missing_claim"
    assert await asked(bearer(token(acr="mfa")))


async def test_whom_a_token_named_is_known_for_the_declared_time(store, known, clock):
    await known(believed="2h")(bearer(token()))
    clock.forward(hours=1, minutes=59)
    assert store.resolve("corp:4711").roles == ("customer",)
    clock.forward(minutes=1)
    assert store.resolve("corp:4711") is None


async def test_time_counts_from_the_last_token(store, known, clock):
    authenticate = known(believed="2h")
    for _ in range(4):
        await authenticate(bearer(token()))
        clock.forward(hours=1)
    assert store.resolve("corp:4711") is not None


async def test_older_token_does_not_bring_back_roles(store, known):
    now = int(time.time())
    old = token(iat=now - 100, realm_access={"roles": ["customer", "finance"]})
    assert (await known()(bearer(old))).roles == ("customer", "finance")
    new = token(iat=now - 10, realm_access={"roles": ["customer"]})
    assert (await known()(bearer(new))).roles == ("customer",)
    assert (await known()(bearer(old))).roles == ("customer",)
    assert store.resolve("corp:4711").roles == ("customer",)


async def test_disabled_principal_is_refused_with_a_valid_token(store, known):
    await known()(bearer(token()))
    await store.disable("corp:4711", by="root")
    assert store.resolve("corp:4711") is None
    assert await reason(known(), bearer(token())) == "disabled_user"
    await store.disable("corp:4711", by="root", disabled=False)
    assert await known()(bearer(token()))


async def test_rotated_key_in_the_file_counts_from_the_next_request(known, issuer):
    authenticate = known()
    assert await authenticate(bearer(token()))
    file = issuer().jwks_file
    file.write_text(jwks(jwk(OTHER_RSA, "k2")))
    assert await authenticate(bearer(token(OTHER_RSA, kid="k2")))
    assert await reason(authenticate, bearer(token())) == "unknown_signing_key"
    file.write_text("broken")
    with pytest.raises(IdentityDown, match="no JWK set any more"):
        await authenticate(bearer(token(OTHER_RSA, kid="k2")))


@pytest.mark.parametrize("text", ["", "[]", '{"keys": 7}', '{"keys": ' + "[" * 5000])
def test_file_that_is_no_key_set_is_told(tmp_path, text):
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match="is no JWK set"):
        FileKeys(file)
