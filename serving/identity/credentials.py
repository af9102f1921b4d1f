"""What a request shows to prove who sent it: headers and cookies, nothing else.

Headers that a proxy may set (`X-Forwarded-User`, `Remote-User`) and fields of a body (`user`) are
never read: whoever can reach the server could write them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from concertmaster.serving.identity.refusal import refuse

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["LONGEST", "Shown", "bearer", "cookies", "shown"]

LONGEST = 16_384
"""Characters of the longest credential that is looked at."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True)
class Shown:
    """One credential of a request; its text is left out of `repr`."""

    scheme: str
    """`bearer`, the name of another scheme in lower case, or `x-api-key`."""
    text: str = field(repr=False)


def shown(connection: HTTPConnection) -> Shown | None:
    """Return the one credential in the headers, None if there is none.

    Raises:
        Unauthenticated: there are several that differ, or one that is too long.
    """
    found: list[Shown] = []
    for value in connection.headers.getlist("authorization"):
        scheme, _, text = value.strip().partition(" ")
        found.append(Shown(scheme.lower(), text.strip()))
    found += [Shown("x-api-key", v.strip()) for v in connection.headers.getlist("x-api-key")]
    if len({credential.text for credential in found}) > 1:
        raise refuse("several_credentials", "the request shows two different credentials")
    if not found:
        return None
    if len(found[0].text) > LONGEST:
        raise refuse("oversized", f"the credential has more than {LONGEST} characters")
    return found[0]


def bearer(connection: HTTPConnection) -> str | None:
    """Return the text of a bearer credential or of `x-api-key`, if that is what is shown.

    Raises:
        Unauthenticated: see `shown`.
    """
    credential = shown(connection)
    if credential is None or credential.scheme not in {"bearer", "x-api-key"}:
        return None
    return credential.text if _TOKEN.fullmatch(credential.text) else None


def cookies(connection: HTTPConnection, name: str) -> list[str]:
    """Return every value that a cookie of this name has; a browser may send several."""
    values = []
    for header in connection.headers.getlist("cookie"):
        for part in header.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                values.append(value)
    return values
