"""The form of errors, and which of them every operation may answer with."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, JsonValue

from concertmaster.contracts.base import Record

__all__ = ["ANY", "Problem", "Wrong", "answers"]

_EXAMPLE: dict[str, JsonValue] = {
    "type": "urn:concertmaster:CM620",
    "title": "Not found",
    "status": 404,
    "detail": "there is no 'run-5f0c' here",
    "code": "CM620",
    "hint": "look at the id",
}


class Wrong(Record):
    """One field of a request that does not fit."""

    where: str
    what: str


class Problem(Record):
    """An error, as RFC 9457 has it. `code` is stable; `detail` and `hint` are for people."""

    type: str = Field(examples=["urn:concertmaster:CM620"])
    title: str
    status: int
    detail: str
    code: str | None = None
    hint: str | None = None
    errors: list[Wrong] | None = None

    model_config = ConfigDict(**Record.model_config, json_schema_extra={"examples": [_EXAMPLE]})


_TOLD = {
    400: "An id, a cursor, a message or the number of headers is wrong.",
    401: "Nobody who is known here is signed in.",
    403: "This caller may not do that.",
    404: "There is no such thing, or it is none of the caller's business.",
    408: "The request's body did not arrive in time.",
    409: "It came too late, or something else has to end first.",
    413: "The request is too large.",
    422: "A field does not fit.",
    429: "Too many requests, runs or streams; `Retry-After` tells when to come again.",
    500: "Something went wrong that nobody expected; a reference for the operator is told.",
    503: "Something that is needed cannot be reached; nothing was done.",
}
_AGAIN = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of errors with these statuses, for a router or an operation."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        described[status] = {"model": Problem, "description": _TOLD[status]}
        if status in (429, 503):
            described[status]["headers"] = _AGAIN
    return described


ANY = answers(400, 401, 403, 408, 413, 422, 429, 500, 503)
"""What every operation may answer with."""
