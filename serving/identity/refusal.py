"""Why a caller was not let in: a code for the log, and what the caller is told."""

from __future__ import annotations

from typing import Literal

from concertmaster.errors import Unauthenticated

__all__ = ["Refusal", "challenge", "refuse", "status_of"]

Refusal = Literal[
    "several_credentials",
    "unknown_credential",
    "oversized",
    "malformed_key",
    "unknown_key",
    "revoked_key",
    "expired_key",
    "unknown_user",
    "disabled_user",
    "removed_user",
    "malformed_token",
    "refused_algorithm",
    "unknown_signing_key",
    "wrong_signature",
    "wrong_audience",
    "wrong_issuer",
    "expired_token",
    "early_token",
    "missing_claim",
    "refused_claim",
    "session_over",
    "csrf",
    "used_code",
    "nothing_shown",
]
"""Why a caller was refused."""

_OF_THE_REQUEST = frozenset({"several_credentials", "oversized", "csrf"})


def refuse(
    reason: Refusal, message: str, *, hint: str | None = None, about: str | None = None
) -> Unauthenticated:
    """Return the error of a refusal. `about` is a public id; no secret goes into it."""
    return Unauthenticated(message, reason=reason, hint=hint, about=about)


def status_of(error: Unauthenticated) -> int:
    """Return the status of a refusal: 403 where the caller is known and the page is not, else 401.

    >>> status_of(refuse("expired_key", "the API key has expired"))
    401
    """
    return 403 if error.reason == "csrf" else 401


def challenge(error: Unauthenticated | None = None) -> dict[str, str]:
    """Return the header that goes with a 401 (RFC 6750, 3): a scheme, and what was wrong.

    >>> challenge()
    {'WWW-Authenticate': 'Bearer realm="concertmaster"'}
    """
    value = 'Bearer realm="concertmaster"'
    if error is not None:
        wrong = "invalid_request" if error.reason in _OF_THE_REQUEST else "invalid_token"
        value += f', error="{wrong}"'
    return {"WWW-Authenticate": value}
