"""`create_agent` with `GovernanceMiddleware`, its stores in memory like the agent's."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from concertmaster.contracts import Principal
from concertmaster.graphs.langchain import Acting, Governance, GovernanceMiddleware
from concertmaster.tools import declare
from peers.create_agent import agent, tool
from peers.measuring import Run, serve

POLICIES = Path(__file__).with_name("workspace") / "policies"


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Run]:
    """Make the agent with its gate."""
    declared = declare(tool(), effect="write", idempotent=True)
    with Governance.load(POLICIES, tools=[declared]) as governance:
        acting = Acting(principal=Principal(id="ana", roles=("customer",)))
        run = agent(url, (GovernanceMiddleware(governance),), context_schema=Acting)
        yield partial(run, context=acting)


if __name__ == "__main__":
    serve(importlib.metadata.version("concertmaster"), opened)
