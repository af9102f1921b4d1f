"""The settings of identity, as the server's file holds them under `identity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from concertmaster.contracts.written import Span, Spec
from concertmaster.serving.identity.cookie import is_loopback

__all__ = ["Algorithm", "Claims", "IdentitySettings", "Issuer", "SessionSettings"]

_HOUR = 3600

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
"""Signatures with a private key. Those with a shared secret (HS…) cannot be declared."""

_Text = Annotated[str, Field(min_length=1, max_length=500)]


class Claims(Spec):
    """Where in a token roles, groups and tenant stand.

    A claim is named as it is written, else by its path: `realm_access.roles`. A claim that is not
    declared is not read, and one that is missing gives nothing.
    """

    roles: _Text | None = None
    groups: _Text | None = None
    tenant: _Text | None = None
    name: _Text | None = "name"
    rename: dict[str, str] | None = None
    """From the issuer's names of roles and groups to those used here; others are left out then."""


class Issuer(Spec):
    """One issuer of tokens that is trusted, and what is believed of it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    """Stands before the subject in a principal's id: `corp:8f1c…`."""
    issuer: _Text
    """The claim `iss`, character by character."""
    audience: Annotated[tuple[_Text, ...], Field(min_length=1)]
    """A token has to be meant for one of these (`aud`)."""
    jwks_url: str | None = None
    jwks_file: Path | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256")
    leeway: Annotated[Span, Field(le=300)] = 60
    """By how much clocks may differ."""
    require: tuple[_Text, ...] = ()
    """Claims that have to be there, beside iss, aud, sub, exp and iat."""
    subject: _Text = "sub"
    """The claim that tells people apart. It must never be given to somebody else."""
    subjects: Literal["prefixed", "users"] = "prefixed"
    """`users`: the subject is the id of a user of the embedded store, whose roles count."""
    claims: Claims = Claims()
    believed: Annotated[Span, Field(gt=0, le=30 * 24 * _HOUR)] = 24 * _HOUR
    """How long after their last token somebody is still known, for runs that wait."""
    refresh: Annotated[Span, Field(ge=60, le=24 * _HOUR)] = _HOUR
    """After how long the signing keys are fetched again."""
    keep: Annotated[Span, Field(ge=60, le=7 * 24 * _HOUR)] = 24 * _HOUR
    """How long keys that were fetched are good while the issuer cannot be reached."""
    pause: Annotated[Span, Field(ge=1, le=_HOUR)] = 60
    """The shortest time from one fetch to the next, whatever tokens say."""

    @model_validator(mode="after")
    def _one_place_of_keys(self) -> Self:
        if (self.jwks_url is None) == (self.jwks_file is None):
            raise ValueError(f"issuer {self.name}: declare jwks_url or jwks_file, one of them")
        if self.jwks_url is not None:
            url = urlsplit(self.jwks_url)
            plain = url.scheme == "http" and is_loopback(url.hostname)
            if not url.hostname or (url.scheme != "https" and not plain):
                raise ValueError(f"issuer {self.name}: jwks_url has to begin with https://")
            if url.username or url.password:
                raise ValueError(f"issuer {self.name}: jwks_url must not hold a password")
        if self.subjects == "users" and self.claims != Claims():
            raise ValueError(
                f"issuer {self.name}: with `subjects: users` roles come from the embedded store;"
                " leave `claims` out"
            )
        return self


class SessionSettings(Spec):
    """How long a session in a browser lasts."""

    idle: Annotated[Span, Field(gt=0, le=7 * 24 * _HOUR)] = _HOUR
    """Without a request."""
    longest: Annotated[Span, Field(gt=0, le=30 * 24 * _HOUR)] = 12 * _HOUR
    """From sign-in on, whatever is done."""


class IdentitySettings(Spec):
    """Who is known: users of the embedded store, and people whom issuers vouch for."""

    users: Path | None = None
    """The file of users; users.db under CONCERTMASTER_HOME by default."""
    issuers: tuple[Issuer, ...] = ()
    sessions: SessionSettings = SessionSettings()

    @model_validator(mode="after")
    def _issuers_differ(self) -> Self:
        for kind in ("name", "issuer"):
            values = [getattr(issuer, kind) for issuer in self.issuers]
            if twice := {v for v in values if values.count(v) > 1}:
                raise ValueError(f"two issuers have the same {kind}: {', '.join(sorted(twice))}")
        return self
