"""How callers sign in, for the description of the API; who they are is found out elsewhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from fastapi.security import APIKeyHeader, HTTPBearer

from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.caller import Caller, host_of
from concertmaster.serving.host import Host

__all__ = ["DESCRIBED", "Caller", "Served", "Workflow"]

_TOLD = "An API key, or a token of an issuer that the server is told of."

DESCRIBED = [
    Depends(HTTPBearer(scheme_name="bearer", description=_TOLD, auto_error=False)),
    Depends(APIKeyHeader(name="X-API-Key", scheme_name="api_key", auto_error=False)),
]

Served = Annotated[Host, Depends(host_of)]


def _desk(
    who: Caller, host: Served, workflow: Annotated[str, Path(examples=["support_desk"])]
) -> Desk:
    # Who is not signed in is not told, either, which workflows there are.
    return host.desk(workflow)


Workflow = Annotated[Desk, Depends(_desk)]
