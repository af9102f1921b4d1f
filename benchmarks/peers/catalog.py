"""Which peers there are. To add one: a file beside this one, and a line here."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """A peer: its name in the figures, its module, and what its environment holds.

    Without requirements it runs with the interpreter of the benchmark.
    """

    name: str
    module: str
    requirements: tuple[str, ...] = ()


PEERS = (
    Peer("openai_client", "openai_client"),
    Peer("create_agent", "create_agent"),
    Peer("create_agent_governed", "create_agent_governed"),
    Peer("concertmaster", "one_executor"),
    Peer("support_desk", "support_desk"),
)
