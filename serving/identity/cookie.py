"""The cookie that carries a session: under which name, with which attributes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict
from urllib.parse import urlsplit

from concertmaster.serving.identity.credentials import cookies
from concertmaster.serving.identity.refusal import refuse

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = [
    "Cookie",
    "CookieArguments",
    "cookie_of",
    "is_loopback",
    "no_cookie",
    "same_origin",
    "session_cookie",
]

_PROXIED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")
_SECURE, _PLAIN = "__Host-cm_session", "cm_session"


class CookieArguments(TypedDict):
    """Arguments of Starlette's `set_cookie`."""

    key: str
    value: str
    max_age: int | None
    path: str
    secure: bool
    httponly: bool
    samesite: Literal["strict"]


@dataclass(frozen=True)
class Cookie:
    """A cookie to set: `response.set_cookie(**cookie.arguments())`."""

    name: str
    secure: bool
    max_age: int | None
    value: str = field(repr=False)

    def arguments(self) -> CookieArguments:
        """Return what Starlette's `set_cookie` takes."""
        return {
            "key": self.name,
            "value": self.value,
            "max_age": self.max_age,
            "path": "/",
            "secure": self.secure,
            "httponly": True,
            "samesite": "strict",
        }


def session_cookie(connection: HTTPConnection, value: str) -> Cookie:
    """Return the cookie of a session; it ends with the browser, the session perhaps before.

    It is `Secure` and has the prefix `__Host-`, with which a browser takes it from this very host
    only. Over plain HTTP on the loopback, where there is no TLS, it has neither.
    """
    secure = not _plain_loopback(connection)
    return Cookie(_SECURE if secure else _PLAIN, secure, None, value)


def no_cookie(connection: HTTPConnection) -> Cookie:
    """Return the cookie that makes a browser forget the session."""
    secure = not _plain_loopback(connection)
    return Cookie(_SECURE if secure else _PLAIN, secure, 0, "")


def cookie_of(connection: HTTPConnection) -> str | None:
    """Return the value of the session's cookie, or None.

    Raises:
        Unauthenticated: there are several, as when another host of the domain set one.
    """
    found = cookies(connection, _PLAIN if _plain_loopback(connection) else _SECURE)
    if len(set(found)) > 1:
        raise refuse("several_credentials", "the request carries two different session cookies")
    return found[0] if found else None


def same_origin(connection: HTTPConnection) -> bool:
    """Tell whether a browser says that one of this server's own pages sent the request.

    For the form that signs in, where there is no session yet, so that no other page signs somebody
    in as somebody else. A client that names no origin is no page of ours, either.
    """
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = connection.headers.get("origin", "")
    host = connection.headers.get("host", "")
    # Behind a proxy that ends TLS the page is https and the request is not; the other way round
    # somebody on the way could have written the page.
    schemes = {"https", connection.url.scheme}
    return bool(host) and origin in {f"{scheme}://{host}" for scheme in schemes}


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _plain_loopback(connection: HTTPConnection) -> bool:
    """Tell whether the browser speaks plain HTTP to this very machine.

    A proxy that names itself may speak TLS to the browser, whatever host it asks for here.
    """
    if connection.scope.get("scheme", "http") not in {"http", "ws"}:
        return False
    if any(name in connection.headers for name in _PROXIED):
        return False
    try:
        return is_loopback(urlsplit(f"//{connection.headers.get('host', '')}").hostname)
    except ValueError:
        return False
