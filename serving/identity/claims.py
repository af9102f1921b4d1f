"""From the claims of a verified token to a principal, as declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concertmaster.contracts import Principal
from concertmaster.serving.identity.refusal import refuse
from concertmaster.serving.identity.settings import Issuer
from concertmaster.serving.identity.user import MOST_NAMES, is_name

__all__ = ["principal_of", "subject_of"]

_SPACED = frozenset({"scope", "scp"})
"""Lists written as one text with spaces (RFC 8693, 4.2). Other texts are one value each."""
_LONGEST = 150


def principal_of(claims: Mapping[str, Any], issuer: Issuer) -> Principal:
    """Return whom a token names, with an id that no user and no other issuer's subject has.

    Raises:
        Unauthenticated: a declared claim has another form than expected.
    """
    declared = issuer.claims
    name = _at(claims, declared.name)
    tenant = _names(claims, declared.tenant, issuer)
    if len(tenant) > 1:
        raise _wrong(issuer, declared.tenant)
    return Principal(
        id=f"{issuer.name}:{subject_of(claims, issuer)}",
        name=name if isinstance(name, str) and len(name) <= 200 and name.isprintable() else None,
        roles=_renamed(_names(claims, declared.roles, issuer), issuer),
        groups=_renamed(_names(claims, declared.groups, issuer), issuer),
        tenant=tenant[0] if tenant else None,
    )


def subject_of(claims: Mapping[str, Any], issuer: Issuer) -> str:
    """Return the claim that tells people apart.

    Raises:
        Unauthenticated: it is missing, no text, too long or not visible.
    """
    subject = _at(claims, issuer.subject)
    if (
        not isinstance(subject, str)
        or not 0 < len(subject) <= _LONGEST
        or not subject.isprintable()
        or any(character.isspace() for character in subject)
    ):
        raise _wrong(issuer, issuer.subject)
    return subject


def _at(claims: Mapping[str, Any], path: str | None) -> Any:
    if path is None or path in claims:
        return None if path is None else claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _names(claims: Mapping[str, Any], path: str | None, issuer: Issuer) -> tuple[str, ...]:
    value = _at(claims, path)
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.split() if path in _SPACED else [value]
    if not isinstance(value, list) or len(value) > MOST_NAMES:
        raise _wrong(issuer, path)
    if issuer.claims.rename is not None and path != issuer.claims.tenant:
        return tuple(item for item in value if isinstance(item, str))
    if not all(isinstance(item, str) and is_name(item) for item in value):
        raise _wrong(issuer, path)
    return tuple(dict.fromkeys(value))


def _renamed(names: tuple[str, ...], issuer: Issuer) -> tuple[str, ...]:
    table = issuer.claims.rename
    if table is None:
        return names
    return tuple(dict.fromkeys(table[name] for name in names if name in table))


def _wrong(issuer: Issuer, path: str | None) -> Exception:
    return refuse(
        "refused_claim",
        f"the token's claim {path!r} is missing or of another form than expected",
        hint=f"look at what the issuer {issuer.name} puts there, and at `claims` in the settings",
        about=issuer.name,
    )
