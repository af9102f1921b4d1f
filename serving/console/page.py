"""Pages: templates that escape everything, headers that let nothing else in, errors as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException

from concertmaster.contracts import now
from concertmaster.contracts.deadline import utc
from concertmaster.errors import ConcertmasterError, ServerBusy, Unauthenticated
from concertmaster.serving.caller import host_of
from concertmaster.serving.console import moments
from concertmaster.serving.console.assets import version
from concertmaster.serving.console.characters import plain_json, visible
from concertmaster.serving.problems import status_of, told
from concertmaster.serving.visible import is_reviewer

__all__ = ["HEADERS", "PageRoute", "path_of", "render", "see_other"]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    # Without a referrer a browser names no origin with a form, and then it could not be checked.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_TITLES = {
    400: "That does not work",
    401: "Sign in",
    403: "Not allowed",
    404: "There is nothing here",
    409: "Not any more",
    422: "That does not work",
    429: "Too many requests",
    503: "Not available at present",
}


class PageRoute(APIRoute):
    """A route whose errors are pages, in their own words; strangers are led to the sign-in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except Unauthenticated as error:
                if error.reason == "csrf":
                    return problem(request, 403, error.message, error.hint)
                return _stranger(request)
            except ConcertmasterError as error:
                return _refused(request, error)
            except RequestValidationError:
                return problem(request, 404, "there is no such page", None)
            except HTTPException as error:
                return problem(request, error.status_code, str(error.detail), None)

        return handle


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page.

    Args:
        request: for the links, which are relative to where the console is mounted.
        template: its file.
        status: of the response.
        values: what the template shows; it is escaped there.
    """
    host = host_of(request)
    seen = getattr(request.state, "visitor", None)
    common = {
        "url": lambda name, **parts: path_of(request, name, **parts),
        "who": seen,
        "title": host.settings.title,
        "workflows": host.names,
        "now": utc(now()),
        "reviews": any(is_reviewer(desk, seen.principal) for desk in host) if seen else False,
        "here": getattr(request.scope.get("route"), "name", ""),
    }
    text = _environment().get_template(template).render({**common, **values})
    return HTMLResponse(text, status, headers=HEADERS)


def path_of(request: Request, name: str, **parts: str) -> str:
    """Return the path of a page, below the place where the application is mounted."""
    safe = {key: quote(value, safe="") for key, value in parts.items()}
    root: str = request.scope.get("root_path", "")
    return f"{root}{request.app.url_path_for(f'console_{name}', **safe)}"


def see_other(path: str) -> RedirectResponse:
    """Return a redirect after a form, so that loading the page again sends nothing twice."""
    return RedirectResponse(path, 303, headers=HEADERS)


def problem(request: Request, status: int, message: str, hint: str | None) -> HTMLResponse:
    """Return an error as a page."""
    heading = _TITLES.get(status, "Something went wrong")
    return render(
        request, "problem.html", status=status, heading=heading, message=message, hint=hint
    )


def _refused(request: Request, error: ConcertmasterError) -> Response:
    status = status_of(error)
    if status >= 500:
        told(request, error)  # For the log; what it says is for operators.
        return problem(request, status, "this cannot be done at present", "try again in a moment")
    page = problem(request, status, error.message, error.hint)
    if isinstance(error, ServerBusy):
        page.headers["Retry-After"] = str(max(1, round(error.rest)))
    return page


def _stranger(request: Request) -> Response:
    if request.app.state.identity is None:
        hint = "the application that this console belongs to signs people in"
        return problem(request, 401, "you are not signed in", hint)
    sign_in = path_of(request, "sign_in")
    if request.method not in ("GET", "HEAD"):
        return problem(request, 401, "your session is over; nothing was changed", "sign in again")
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={**HEADERS, "HX-Redirect": sign_in})
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401, headers=HEADERS)
    where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return see_other(f"{sign_in}?next={quote(where, safe='')}")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("concertmaster.serving.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ago=moments.ago,
        clock=moments.clock,
        json=plain_json,
        left=moments.left,
        exact=_exact,
        span=moments.span,
        words=lambda text: str(text).replace("_", " "),
    )
    environment.globals["version"] = version
    environment.globals["zip"] = zip
    return environment


def _shown(value: Any) -> Any:
    """Make what is invisible visible in whatever a template shows; it is escaped afterwards."""
    if value is None:
        return ""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _exact(text: str) -> Markup:
    """Escape a text and change nothing else, for the fields of forms: it comes back as it was.

    A browser drops one line end after `<textarea>`, so a field that begins with one gets another.
    """
    return escape("\n") + escape(text) if text.startswith("\n") else escape(text)
