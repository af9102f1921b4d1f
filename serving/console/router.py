"""All pages of the console, below `/console`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from concertmaster.serving.console.assets import router as assets
from concertmaster.serving.console.dashboard import router as dashboard
from concertmaster.serving.console.page import PageRoute, problem
from concertmaster.serving.console.queue import router as queue
from concertmaster.serving.console.review import router as review
from concertmaster.serving.console.signing_in import router as signing_in
from concertmaster.serving.console.threads import router as threads
from concertmaster.serving.console.visitor import Viewer

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for part in (assets, signing_in, queue, review, threads, dashboard):
    router.include_router(part, prefix="/console")

_rest = APIRouter(route_class=PageRoute)


@_rest.get("/{rest:path}", name="console_nowhere")
async def nowhere(request: Request, _: Viewer, rest: str) -> Response:
    """Say that there is no such page."""
    return problem(request, 404, "there is no such page", "go back to the queue")


router.include_router(_rest, prefix="/console")
