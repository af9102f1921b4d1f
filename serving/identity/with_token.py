"""Callers with a token (JWT, RFC 7519) of a declared issuer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from concertmaster.contracts import Principal
from concertmaster.errors import Unauthenticated
from concertmaster.serving.identity.authenticator import Authenticator
from concertmaster.serving.identity.claims import principal_of, subject_of
from concertmaster.serving.identity.credentials import shown
from concertmaster.serving.identity.fetched_keys import FetchedKeys
from concertmaster.serving.identity.key_set import FileKeys, SigningKeys, load_jwt
from concertmaster.serving.identity.refusal import Refusal, refuse
from concertmaster.serving.identity.settings import Issuer
from concertmaster.serving.identity.user_store import UserStore

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["by_token", "keys_of", "verified"]

_ALWAYS = ("iss", "aud", "exp", "iat")
_LONGEST_ID = 200


def keys_of(issuer: Issuer) -> FetchedKeys | FileKeys:
    """Return where an issuer's keys come from, as declared.

    Raises:
        ConfigError: a file of keys cannot be read.
    """
    if issuer.jwks_url is None:
        assert issuer.jwks_file is not None
        return FileKeys(issuer.jwks_file)
    return FetchedKeys(
        issuer.jwks_url, refresh=issuer.refresh, keep=issuer.keep, pause=issuer.pause
    )


def by_token(issuer: Issuer, keys: SigningKeys, store: UserStore) -> Authenticator:
    """Know who shows a token of this issuer in `Authorization: Bearer …`.

    A token that names another issuer is left to others; one that names this issuer is verified
    with this issuer's keys, algorithms and audience only. Whom it names is kept in the store, so
    that a run which waits knows them later.
    """
    load_jwt()

    async def ask(connection: HTTPConnection) -> Principal | None:
        credential = shown(connection)
        if credential is None or credential.scheme != "bearer":
            return None
        text = credential.text
        if text.count(".") != 2 or _claimed_issuer(text) != issuer.issuer:
            return None
        claims = await verified(text, issuer, keys)
        if issuer.subjects == "users":
            return _user(store, subject_of(claims, issuer), issuer)
        return await store.seen.keep(
            principal_of(claims, issuer), issued=float(claims["iat"]), seconds=issuer.believed
        )

    return ask


async def verified(text: str, issuer: Issuer, keys: SigningKeys) -> Mapping[str, Any]:
    """Return the claims of a token whose signature, issuer, audience and times are right.

    Raises:
        Unauthenticated: something is not.
        IdentityDown: the issuer's keys cannot be had at present.
    """
    jwt = load_jwt()
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise _told(error, issuer) from None
    kid, algorithm = header.get("kid"), header.get("alg")
    if algorithm not in issuer.algorithms:
        told = "the token is signed in a way that is not accepted here"
        raise _refused("refused_algorithm", told, issuer)
    if kid is not None and len(kid) > _LONGEST_ID:
        raise _refused("malformed_token", "the token names its key at too great length", issuer)
    key = await keys.find(kid, algorithm)
    if key is None:
        told = "the token is signed with a key that its issuer does not publish"
        raise _refused("unknown_signing_key", told, issuer)
    try:
        claims: dict[str, Any] = jwt.decode(
            text,
            key,
            algorithms=[algorithm],
            audience=list(issuer.audience),
            issuer=issuer.issuer,
            leeway=issuer.leeway,
            options={
                "require": [*_ALWAYS, *issuer.require],
                "enforce_minimum_key_length": True,
            },
        )
        float(claims["iat"])
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise _told(error, issuer) from None
    return claims


def _claimed_issuer(text: str) -> object:
    """Return what an unverified token says of its issuer; it only chooses who verifies it."""
    jwt = load_jwt()
    try:
        return jwt.decode(text, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def _user(store: UserStore, subject: str, issuer: Issuer) -> Principal:
    user = store.find(subject)
    if user is None:
        told = f"the issuer {issuer.name} vouches for somebody who is no user here"
        raise _refused("unknown_user", told, issuer)
    if user.disabled:
        raise _refused("disabled_user", "this user is disabled", issuer)
    return user.principal


def _told(error: Exception, issuer: Issuer) -> Unauthenticated:
    import jwt

    table: tuple[tuple[type[Exception], Refusal, str], ...] = (
        (jwt.ExpiredSignatureError, "expired_token", "the token has expired"),
        (jwt.ImmatureSignatureError, "early_token", "the token is not valid yet"),
        (jwt.InvalidAudienceError, "wrong_audience", "the token is meant for somebody else"),
        (jwt.InvalidIssuerError, "wrong_issuer", "the token is of another issuer"),
        (jwt.MissingRequiredClaimError, "missing_claim", "the token lacks a claim it needs"),
        (jwt.InvalidSignatureError, "wrong_signature", "the token's signature is wrong"),
        (jwt.InvalidKeyError, "unknown_signing_key", "the issuer's key is too short"),
        (jwt.InvalidAlgorithmError, "refused_algorithm", "the token is signed in another way"),
    )
    for kind, reason, message in table:
        if isinstance(error, kind):
            return _refused(reason, message, issuer)
    return _refused("malformed_token", "the token cannot be read", issuer)


def _refused(reason: Refusal, message: str, issuer: Issuer) -> Unauthenticated:
    return refuse(reason, message, about=issuer.name)
