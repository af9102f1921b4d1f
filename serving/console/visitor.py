"""Who looks at a page, and whether a form comes from a page of theirs."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from concertmaster.contracts import Principal, digest
from concertmaster.errors import RequestError, Unauthenticated
from concertmaster.serving.console.room import room_of
from concertmaster.serving.identity.cookie import cookie_of, same_origin
from concertmaster.serving.identity.refusal import refuse

__all__ = ["Posted", "Sender", "Viewer", "Visitor", "form_of", "posted", "present", "visitor"]

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 500


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody who is signed in. `csrf` is what their forms carry."""

    principal: Principal
    csrf: str = field(repr=False)
    leaves: bool
    """Whether they can sign out here; where the host signs people in, they cannot."""


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A form that was sent by a page of the visitor's own."""

    visitor: Visitor
    form: dict[str, str] = field(repr=False)


async def visitor(request: Request) -> Visitor:
    """Return who is signed in.

    Raises:
        Unauthenticated: nobody is.
        ServerBusy: they sent too many requests.
    """
    found = await _found(request)
    request.app.state.rates.take(found.principal)
    request.state.visitor = found
    return found


async def posted(request: Request, who: Viewer) -> Posted:
    """Return a form that changes something.

    Raises:
        Unauthenticated: another page may have sent it.
        RequestError: it is no form.
    """
    if not same_origin(request):
        raise refuse(
            "csrf",
            "the form was not sent by a page of this console",
            hint="open the page again and repeat it there",
        )
    form = await form_of(request)
    token = form.pop("csrf", "")
    if not hmac.compare_digest(who.csrf.encode(), token.encode("utf-8", "replace")):
        raise refuse(
            "csrf",
            "the form does not belong to your present session",
            hint="load the page again and repeat it there; nothing was changed",
        )
    return Posted(visitor=who, form=form)


async def present(request: Request, who: Visitor) -> Principal | None:
    """Return the principal of an open stream as it is now; None for somebody who is gone.

    It does not count as use of the session: a page that only lies open is idle.
    """
    identity = request.app.state.identity
    if identity is not None:
        found: Principal | None = identity.resolve(who.principal.id)
        return found
    try:
        return (await _found(request)).principal
    except Unauthenticated:
        return None


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form; of two with one name the last counts.

    Raises:
        RequestError: it is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise RequestError("this is no form", hint=f"send it as {_FORM}")
    try:
        async with request.form(max_fields=_MOST_FIELDS) as form:
            return {name: text for name, text in form.multi_items() if isinstance(text, str)}
    except HTTPException:
        raise RequestError("this form cannot be read", hint="load the page again") from None


async def _found(request: Request) -> Visitor:
    identity = request.app.state.identity
    if identity is not None:
        session = await identity.sessions.find(cookie_of(request))
        if session is None:
            raise _nobody()
        return Visitor(principal=session.principal, csrf=session.csrf, leaves=True)
    principal: Principal | None = await request.app.state.auth(request)
    if principal is None or not principal.authenticated:
        raise _nobody()
    return Visitor(principal=principal, csrf=_token(request, principal), leaves=False)


def _token(request: Request, principal: Principal) -> str:
    """Return a person's token where the host signs people in and there is no session here."""
    who = digest({"id": principal.id, "tenant": principal.tenant})
    return hmac.new(room_of(request).secret, who.encode(), hashlib.sha256).hexdigest()


def _nobody() -> Unauthenticated:
    return Unauthenticated(
        "sign in to see this page", reason="nothing_shown", hint="an API key opens the console"
    )


Viewer = Annotated[Visitor, Depends(visitor)]
Sender = Annotated[Posted, Depends(posted)]
