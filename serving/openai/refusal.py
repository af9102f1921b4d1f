"""What is told of a request that cannot be honoured, in OpenAI's form: which field, and why."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from concertmaster.errors import RequestError, UnknownWorkflow
from concertmaster.serving.problems import answer_problem

__all__ = ["ERRORS", "STREAMED", "NotHonoured", "OpenAIRoute"]

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": what, "content": {"application/json": {"schema": _ERROR}}}
    for status, what in (
        (400, "Something in the request is wrong, or cannot be honoured here"),
        (401, "Not signed in"),
        (403, "This principal may not do it"),
        (404, "There is no such thing, or not for this principal"),
        (409, "Something else is under way, or it was decided before"),
        (413, "The body is too large"),
        (422, "An idempotency key came before with something else"),
        (429, "Too many requests, runs or streams"),
        (503, "Not available at present"),
    )
}
"""The errors of every route, for the OpenAPI description."""

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, or its stream of server-sent events where `stream` is true",
        "content": {
            "text/event-stream": {
                # OpenAPI 3.2 describes each event so; readers of 3.1 do not know it.
                "itemSchema": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {
                        "event": {"type": "string", "description": "The `type` of the data."},
                        "data": {"type": "string", "description": "JSON, or `[DONE]`."},
                    },
                }
            }
        },
    }
}
"""What a route that streams on request answers, for the OpenAPI description."""


class NotHonoured(RequestError):
    """A field of a request is wrong, or asks for what is not done here.

    `param` is the field, `kind` OpenAI's code for what is wrong with it.
    """

    def __init__(
        self, message: str, *, param: str, kind: str = "invalid_value", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.param, self.kind = param, kind


class OpenAIRoute(APIRoute):
    """A route whose errors name the field and have OpenAI's code where there is one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except NotHonoured as error:
                return answer_problem(
                    self.path, 400, error.message, code=error.kind, hint=error.hint,
                    param=error.param,
                )  # fmt: skip
            except UnknownWorkflow as error:
                return answer_problem(
                    self.path, 404, error.message, code="model_not_found", hint=error.hint,
                    param="model",
                )  # fmt: skip

        return handled
