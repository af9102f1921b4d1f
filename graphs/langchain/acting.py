"""Who acts in somebody else's graph: taken from the runtime's context, never from its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import ANONYMOUS, Principal

__all__ = ["Acting", "Resolver", "acting_of"]

Resolver = Callable[[str], Principal | None]
"""Returns the principal of an id with the roles of now, or None for somebody unknown."""


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The context of a run: on whose behalf it acts and, on a resume, who answers.

    Only a program can make one: what comes out of JSON (a client's `context`) holds no
    `Principal`, and counts for nobody.

    >>> Acting(principal=Principal(id="ana")).reviewer is None
    True
    """

    principal: Principal = ANONYMOUS
    reviewer: Principal | None = None


def acting_of(context: Any, server_info: Any = None, resolve: Resolver | None = None) -> Acting:
    """Return who acts: the context's principal, else the server's authenticated user, else nobody.

    Args:
        context: a `Principal`, or an object or mapping with `principal` and perhaps `reviewer`.
        server_info: what LangGraph's server tells of the request, with its user.
        resolve: gives the server's user their roles.
    """
    if isinstance(context, Principal):
        return Acting(principal=context)
    principal, reviewer = _member(context, "principal"), _member(context, "reviewer")
    if principal is None:
        principal = _user(server_info, resolve)
    return Acting(principal=principal or ANONYMOUS, reviewer=reviewer)


def _member(context: Any, name: str) -> Principal | None:
    held = context.get(name) if isinstance(context, Mapping) else getattr(context, name, None)
    return held if isinstance(held, Principal) else None


def _user(server_info: Any, resolve: Resolver | None) -> Principal | None:
    user = getattr(server_info, "user", None)
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    identity = str(user.identity)
    return (resolve(identity) if resolve else None) or Principal(id=identity)
