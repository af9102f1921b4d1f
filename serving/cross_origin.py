"""Which headers the pages of other origins may send, once the settings let the origins in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.responses import Response

__all__ = ["SENT", "SENT_TO_MCP", "CrossOrigin"]

SENT = (
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "openai-organization",
    "openai-project",
)
"""What this server's clients send, OpenAI's among them."""

SENT_TO_MCP = ("mcp-protocol-version", "mcp-method", "mcp-name")
"""What clients of MCP send besides."""

_TOLD = re.compile(r"x-stainless-[a-z0-9-]{1,40}")
_MOST = 40
_ASKED, _ALLOWED = "access-control-request-headers", "access-control-allow-headers"


class CrossOrigin(CORSMiddleware):
    """Starlette's middleware, which also takes what OpenAI's client tells of itself in a browser.

    Those names begin with `x-stainless-`, and each release may bring another one, so that no list
    of them is ever whole. Nothing here reads them. Any other name has to be listed.
    """

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks what it may send; see `CORSMiddleware`."""
        asked = [n.strip().lower() for n in request_headers.get(_ASKED, "").split(",")]
        told = sorted({name for name in asked if _TOLD.fullmatch(name)})[:_MOST]
        others = request_headers.mutablecopy()
        if told:
            others[_ASKED] = ", ".join(name for name in asked if name not in told) or "accept"
        answer = super().preflight_response(others)
        answer.headers[_ALLOWED] = ", ".join([answer.headers[_ALLOWED], *told])
        return answer
