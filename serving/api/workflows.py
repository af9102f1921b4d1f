"""Which workflows there are."""

from __future__ import annotations

from fastapi import APIRouter

from concertmaster.serving.api.shapes import WorkflowList, WorkflowView
from concertmaster.serving.api.signing_in import Caller, Served
from concertmaster.serving.visible import is_reviewer

__all__ = ["router"]

router = APIRouter(tags=["workflows"])


@router.get("/workflows", operation_id="list_workflows", response_model=WorkflowList)
async def list_workflows(who: Caller, host: Served) -> WorkflowList:
    """List the workflows of this server."""
    return WorkflowList(
        data=[
            WorkflowView(
                name=desk.name,
                description=desk.services.spec.workflow.description or "",
                reviewer=is_reviewer(desk, who),
            )
            for desk in host
        ]
    )
