"""Which peers there are. To add one: a file beside this one, and a line here."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """A peer: its name in the figures, its module, and what its environment holds.

    Without requirements it runs with the interpreter of the benchmark. What it can be asked for
    besides `run` and `throughput` stands in `asked`.
    """

    name: str
    module: str
    requirements: tuple[str, ...] = ()
    asked: tuple[str, ...] = ("build",)
    runs: bool = True

    def does(self, what: str) -> bool:
        """Tell whether it has a part in a measurement."""
        return self.runs if what in ("run", "throughput") else what in self.asked


PEERS = (
    Peer("openai_client", "openai_client", asked=()),
    Peer("create_agent", "create_agent"),
    Peer("create_agent_governed", "create_agent_governed"),
    Peer("concertmaster", "one_executor", asked=("build", "growth")),
    Peer("support_desk", "support_desk"),
    Peer("langgraph_sqlite", "langgraph_sqlite", asked=("growth",), runs=False),
    Peer(
        "create_supervisor",
        "create_supervisor",
        ("langgraph-supervisor==0.0.31", "langchain-openai==1.7.3"),
    ),
    Peer("openai_agents", "openai_agents", ("openai-agents==0.24.0",)),
    Peer("pydantic_ai", "pydantic_ai_agent", ("pydantic-ai-slim[openai]==2.68.0",)),
    Peer(
        "agent_framework",
        "agent_framework_agent",
        ("agent-framework-core==1.23.0", "agent-framework-openai==1.17.0"),
    ),
    Peer("agno", "agno_agent", ("agno==3.1.10", "openai")),
)
