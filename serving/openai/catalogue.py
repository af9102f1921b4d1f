"""`/v1/models`: the server's workflows."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request

from concertmaster.serving.caller import Caller, host_of
from concertmaster.serving.openai.refusal import ERRORS, OpenAIRoute

__all__ = ["router"]

router = APIRouter(
    prefix="/v1/models", tags=["OpenAI"], route_class=OpenAIRoute, responses=dict(ERRORS)
)

_BEGUN = int(time.time())


@router.get("")
async def list_models(request: Request, who: Caller) -> dict[str, Any]:
    """List the workflows as models."""
    return {"object": "list", "data": [_model(name) for name in host_of(request).names]}


@router.get("/{model:path}")
async def get_model(request: Request, model: str, who: Caller) -> dict[str, Any]:
    """Return one workflow as a model."""
    return _model(host_of(request).desk(model).name)


def _model(name: str) -> dict[str, Any]:
    # Clients want a moment here; a workflow has none, so it is when this server began.
    return {"id": name, "object": "model", "created": _BEGUN, "owned_by": "concertmaster"}
