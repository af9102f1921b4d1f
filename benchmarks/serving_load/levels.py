"""Requests per second and times to the first event and to the end, with 1, 16, 256 connections."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from report import percentile

from serving_load.client import Connection, Reply, Target

__all__ = ["Level", "chat", "measured"]

MESSAGE = "Where is order 1042?"


def chat(text: str = MESSAGE) -> dict[str, object]:
    """Return the body of a chat request whose answer is streamed."""
    messages = [{"role": "user", "content": text}]
    return {"model": "support_desk", "stream": True, "messages": messages}


@dataclass(frozen=True)
class Level:
    """What one number of connections came to."""

    connections: int
    rps: float
    first: list[float]
    end: list[float]

    def figures(self) -> dict[str, float]:
        """Return them under the names of the contract."""
        return {
            "rps": self.rps,
            "first_event_p50_ms": percentile(self.first, 0.5),
            "end_p50_ms": percentile(self.end, 0.5),
            "end_p99_ms": percentile(self.end, 0.99),
        }


async def measured(target: Target, connections: int, requests: int) -> Level:
    """Send requests over so many connections, each as soon as the one before is answered.

    Raises:
        RuntimeError: one was not answered as a stream that came to its end.
    """
    left = iter(range(requests))
    replies: list[Reply] = []

    async def work() -> None:
        connection = Connection(target)
        try:
            for _ in left:
                reply = await connection.ask("POST", "/v1/chat/completions", chat())
                if reply.status != 200 or b"[DONE]" not in reply.parts[-1]:
                    raise RuntimeError(f"answered with {reply.status}: {reply.body[:300]!r}")
                replies.append(reply)
        finally:
            await connection.close()

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    seconds = time.perf_counter() - begun
    return Level(
        connections=connections,
        rps=len(replies) / seconds,
        first=[r.first_ms for r in replies],
        end=[r.end_ms for r in replies],
    )
