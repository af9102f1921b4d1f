"""Who is behind a request: API keys, tokens, the host's own sign-in."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concertmaster.serving.identity.authenticator import (
        Authenticator,
        agreed,
        first_of,
        logged,
        one_credential,
        strict,
    )
    from concertmaster.serving.identity.codes import Codes
    from concertmaster.serving.identity.cookie import (
        cookie_of,
        no_cookie,
        same_origin,
        session_cookie,
    )
    from concertmaster.serving.identity.opening import Identity, open_identity
    from concertmaster.serving.identity.refusal import challenge, refuse, status_of
    from concertmaster.serving.identity.sessions import (
        Session,
        Sessions,
        check_csrf,
        csrf_token,
    )
    from concertmaster.serving.identity.settings import (
        Claims,
        IdentitySettings,
        Issuer,
        SessionSettings,
    )
    from concertmaster.serving.identity.user_store import UserStore
    from concertmaster.serving.identity.with_key import by_key
    from concertmaster.serving.identity.with_session import by_session
    from concertmaster.serving.identity.with_token import by_token

_HOME = {
    "Authenticator": "authenticator",
    "Claims": "settings",
    "Codes": "codes",
    "Identity": "opening",
    "IdentitySettings": "settings",
    "Issuer": "settings",
    "Session": "sessions",
    "SessionSettings": "settings",
    "Sessions": "sessions",
    "UserStore": "user_store",
    "agreed": "authenticator",
    "by_key": "with_key",
    "by_session": "with_session",
    "by_token": "with_token",
    "challenge": "refusal",
    "check_csrf": "sessions",
    "cookie_of": "cookie",
    "csrf_token": "sessions",
    "first_of": "authenticator",
    "logged": "authenticator",
    "no_cookie": "cookie",
    "one_credential": "authenticator",
    "open_identity": "opening",
    "refuse": "refusal",
    "same_origin": "cookie",
    "session_cookie": "cookie",
    "status_of": "refusal",
    "strict": "authenticator",
}

__all__ = [
    "Authenticator",
    "Claims",
    "Codes",
    "Identity",
    "IdentitySettings",
    "Issuer",
    "Session",
    "SessionSettings",
    "Sessions",
    "UserStore",
    "agreed",
    "by_key",
    "by_session",
    "by_token",
    "challenge",
    "check_csrf",
    "cookie_of",
    "csrf_token",
    "first_of",
    "logged",
    "no_cookie",
    "one_credential",
    "open_identity",
    "refuse",
    "same_origin",
    "session_cookie",
    "status_of",
    "strict",
]


def __getattr__(name: str) -> object:
    """Load a public name from its file when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
