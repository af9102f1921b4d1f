"""All routes of the API, and their description."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from concertmaster.serving.api.approvals import router as approvals
from concertmaster.serving.api.events import schemas
from concertmaster.serving.api.problem import ANY
from concertmaster.serving.api.runs import router as runs
from concertmaster.serving.api.signing_in import DESCRIBED
from concertmaster.serving.api.threads import router as threads
from concertmaster.serving.api.workflows import router as workflows

__all__ = ["describe", "router"]

PREFIX = "/api/v1"

router = APIRouter(prefix=PREFIX, dependencies=DESCRIBED, responses=ANY)
for _part in (workflows, threads, runs, approvals):
    router.include_router(_part)


def describe(app: FastAPI) -> None:
    """Have an app's description say of the API's errors what media type they really have."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        described = plain()
        for path, operations in described.get("paths", {}).items():
            if path.startswith(f"{PREFIX}/"):
                for operation in operations.values():
                    _as_problems(operation["responses"])
        named = described.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in schemas().items():
            named.setdefault(name, schema)
        return described

    app.openapi = openapi  # type: ignore[method-assign]


def _as_problems(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        content = response.get("content", {})
        if status[0] in "45" and "application/json" in content:
            content["application/problem+json"] = content.pop("application/json")
