"""`create_agent` with `GovernanceMiddleware`, its stores in memory like the agent's."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from concertmaster.contracts import Principal
from concertmaster.graphs.langchain import Acting, Governance, GovernanceMiddleware
from concertmaster.tools import declare
from peers.create_agent import agent, built, tool
from peers.measuring import Peer, serve

POLICIES = Path(__file__).with_name("workspace") / "policies"


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Peer]:
    """Make the agent with its gate."""
    declared = declare(tool(), effect="write", idempotent=True)
    with Governance.load(POLICIES, tools=[declared]) as governance:
        acting = Acting(principal=Principal(id="ana", roles=("customer",)))
        middleware: Any = {
            "middleware": (GovernanceMiddleware(governance),),
            "context_schema": Acting,
        }
        run = partial(agent(url, **middleware), context=acting)
        yield Peer(run, build=built(url, **middleware))


if __name__ == "__main__":
    serve(importlib.metadata.version("concertmaster"), opened)
