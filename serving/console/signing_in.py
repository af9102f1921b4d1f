"""Signing in with an API key or a one-time code, and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from concertmaster.errors import Unauthenticated
from concertmaster.serving.console.page import PageRoute, path_of, problem, render, see_other
from concertmaster.serving.console.room import room_of
from concertmaster.serving.console.visitor import Sender, form_of
from concertmaster.serving.identity.cookie import (
    Cookie,
    cookie_of,
    no_cookie,
    same_origin,
    session_cookie,
)
from concertmaster.serving.identity.refusal import refuse

__all__ = ["router"]

router = APIRouter(route_class=PageRoute)


@router.get("/sign-in", name="console_sign_in")
async def sign_in(request: Request) -> Response:
    """Show the form."""
    if request.app.state.identity is None:
        hint = "the application that this console belongs to signs people in"
        return problem(request, 404, "there is no sign-in here", hint)
    return _form(request, _own_path(request, request.query_params.get("next", "")))


@router.post("/sign-in", name="console_signed_in")
async def signed_in(request: Request) -> Response:
    """Begin a session, always a new one."""
    identity = request.app.state.identity
    if identity is None:
        return problem(request, 404, "there is no sign-in here", None)
    if not same_origin(request):
        raise refuse("csrf", "the form was not sent by this page", hint="open the page again")
    room_of(request).knock()
    form = await form_of(request)
    following = _own_path(request, form.get("next", ""))
    try:
        principal = await identity.codes.sign_in(form.get("key", ""))
    except Unauthenticated as error:
        return _form(request, following, refused=error)
    value = await identity.sessions.begin(principal, instead_of=_cookie(request))
    response = see_other(following or path_of(request, "queue"))
    _set(response, session_cookie(request, value))
    return response


@router.post("/sign-out", name="console_sign_out")
async def sign_out(request: Request, _: Sender) -> Response:
    """End the session."""
    identity = request.app.state.identity
    if identity is None:
        return see_other(path_of(request, "queue"))
    if (value := cookie_of(request)) is not None:
        await identity.sessions.end(value)
    response = see_other(path_of(request, "sign_in"))
    _set(response, no_cookie(request))
    return response


def _form(request: Request, following: str, refused: Unauthenticated | None = None) -> Response:
    status = 401 if refused else 200
    return render(
        request, "sign_in.html", status=status, following=following, refused=refused, who=None
    )


def _own_path(request: Request, path: str) -> str:
    """Return where to go afterwards if it is a page of this console, else nothing."""
    own = path_of(request, "queue")
    plain = path.isascii() and path.isprintable() and "\\" not in path and "//" not in path
    within = path == own or path.startswith((f"{own}/", f"{own}?"))
    return path if plain and within else ""


def _set(response: Response, cookie: Cookie) -> None:
    response.set_cookie(
        cookie.name,
        cookie.value,
        max_age=cookie.max_age,
        secure=cookie.secure,
        httponly=True,
        samesite="strict",
    )


def _cookie(request: Request) -> str | None:
    try:
        return cookie_of(request)
    except Unauthenticated:
        return None
