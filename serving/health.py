"""Whether the server lives, and whether it takes messages."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from concertmaster.serving.caller import host_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def ready(request: Request) -> JSONResponse:
    """Tell whether every workflow is open and messages are taken."""
    if host_of(request).ready:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "not ready"}, 503)
