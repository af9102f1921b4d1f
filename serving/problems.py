"""Errors as clients get them: the status, and the form that the protocol they speak has for it.

What is told is what the error says on purpose. What nobody expected is told by `Guard`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from concertmaster.errors import (
    ApprovalError,
    ApprovalForbidden,
    ApprovalStale,
    ApprovalUnknown,
    BudgetReached,
    ConcertmasterError,
    ConfigError,
    HomeError,
    IdentityDown,
    IdentityError,
    KeyReused,
    ModelUnavailable,
    RequestError,
    ServerBusy,
    StorageError,
    ThreadBusy,
    ThreadForbidden,
    Unauthenticated,
    UnknownPrincipal,
    UnknownRun,
    UnknownWorkflow,
)
from concertmaster.serving.identity.refusal import challenge
from concertmaster.serving.identity.refusal import status_of as refusal_status

__all__ = ["answer_problem", "install", "openai_path", "status_of"]

_log = logging.getLogger("concertmaster.serving")

_STATUS: tuple[tuple[type[ConcertmasterError], int], ...] = (
    # The narrower class first: the first that fits counts.
    (UnknownWorkflow, 404),
    (UnknownRun, 404),
    (ThreadForbidden, 404),  # Whose it is, is nobody else's business.
    (ApprovalUnknown, 404),
    (ApprovalForbidden, 403),
    (ApprovalStale, 409),
    (ApprovalError, 422),
    (ThreadBusy, 409),
    (KeyReused, 422),
    (RequestError, 400),
    (IdentityDown, 503),
    (IdentityError, 401),
    (UnknownPrincipal, 403),
    (ServerBusy, 429),
    (BudgetReached, 429),
    (ModelUnavailable, 503),
    (HomeError, 503),
    (StorageError, 503),
    (ConfigError, 400),
)
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "The request did not arrive in time",
    409: "Conflict",
    413: "Too large",
    415: "Another media type is needed",
    422: "Not acceptable as it is",
    429: "Too many requests",
    500: "Something went wrong",
    503: "Not available at present",
}
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


def status_of(error: ConcertmasterError) -> int:
    """Return the HTTP status that an error stands for."""
    if isinstance(error, Unauthenticated):
        return refusal_status(error)
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def openai_path(path: str) -> bool:
    """Tell whether a path belongs to OpenAI's protocols, whose errors have a form of their own."""
    return path.startswith("/v1/")


def answer_problem(
    path: str,
    status: int,
    detail: str,
    *,
    code: str | None = None,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] | None = None,
    param: str | None = None,
) -> JSONResponse:
    """Return a problem in the form of the protocol that the path belongs to.

    That is RFC 9457's `application/problem+json`, or OpenAI's error object under `/v1/`.
    """
    more = dict(headers or {})
    if status == 401:
        more = {**challenge(), **more}
    if openai_path(path):
        message = f"{detail} ({hint})" if hint else detail
        kind = _OPENAI_TYPES.get(status, "invalid_request_error")
        body: dict[str, Any] = {
            "error": {"message": message, "type": kind, "param": param, "code": code}
        }
        return JSONResponse(body, status, more)
    body = {
        "type": f"urn:concertmaster:{code}" if code else "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
    }
    body |= {k: v for k, v in (("code", code), ("hint", hint), ("errors", errors)) if v}
    return JSONResponse(body, status, more, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Have an app answer every error in these forms."""

    async def on_purpose(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ConcertmasterError)
        return told(request, error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _invalid(request, error)

    async def routed(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        detail = error.detail if isinstance(error.detail, str) else _TITLES.get(error.status_code)
        path = _path(request)
        return answer_problem(path, error.status_code, detail or "error", headers=error.headers)

    app.add_exception_handler(ConcertmasterError, on_purpose)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, routed)


def told(request: Request, error: ConcertmasterError) -> JSONResponse:
    """Return an error that was raised on purpose."""
    status = status_of(error)
    headers = {}
    if isinstance(error, ServerBusy):
        headers["Retry-After"] = str(max(1, math.ceil(error.rest)))
    elif status == 503:
        headers["Retry-After"] = "5"
    elif status == 401 and isinstance(error, Unauthenticated):
        headers = challenge(None if error.reason == "nothing_shown" else error)
    if status in (500, 503):
        _log.warning("%s at %s", error.code, _route(request))
    hidden = isinstance(error, HomeError | StorageError | ConfigError) and status >= 500
    if status == 500 or hidden:
        # Such messages speak to operators: of paths, settings and files.
        detail, hint = "this cannot be done at present", "the operator finds the cause in the log"
    else:
        detail, hint = error.message, error.hint or ""
    return answer_problem(
        _path(request), status, detail, code=error.code, hint=hint, headers=headers
    )


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Say which fields are wrong, and not what they held."""
    found = [
        {"where": ".".join(str(p) for p in e["loc"]), "what": str(e["msg"])[:200]}
        for e in error.errors()[:10]
    ]
    path = _path(request)
    status = 400 if openai_path(path) else 422
    first = found[0] if found else {"where": "body", "what": "cannot be read"}
    param = first["where"].removeprefix("body.")
    return answer_problem(
        path, status, f"{param}: {first['what']}", errors=found, param=param, code="invalid_request"
    )


def _path(request: Request) -> str:
    """Return the path below the place where the app is mounted."""
    root = request.scope.get("root_path", "")
    path: str = request.scope["path"]
    return path.removeprefix(root) if root else path


def _route(request: Request) -> str:
    """Return the route, not the path: ids in it may be personal."""
    return getattr(request.scope.get("route"), "path", "an unknown path")
