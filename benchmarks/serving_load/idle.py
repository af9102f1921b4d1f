"""What streams cost on which nothing happens: memory of the server."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from serving_load.client import Connection
from serving_load.served import Ours, resident

__all__ = ["idle_streams"]

RUNS = "/api/v1/workflows/support_desk/runs"


async def idle_streams(ours: Ours, count: int) -> dict[str, float]:
    """Follow a run that waits for a person over so many streams at once.

    Returns:
        Bytes of memory before, with all of them open, and for each.
    """
    ana = Connection(ours.target("ana"))
    body = {"text": "Please refund order 1042"}
    started = await ana.ask("POST", f"{RUNS}?wait=30", body)
    run = started.json()["id"]
    await ana.close()
    await asyncio.sleep(2)
    before = resident(ours.pid)
    ready = asyncio.Semaphore(0)

    async def follow() -> None:
        connection = Connection(ours.target("ana"))
        try:
            first = True
            async for _ in connection.events(f"{RUNS}/{run}/events?until=end"):
                if first:
                    ready.release()
                    first = False
        finally:
            await connection.close()

    tasks = [asyncio.create_task(follow()) for _ in range(count)]
    for _ in range(count):
        await asyncio.wait_for(ready.acquire(), 120)
    await asyncio.sleep(3)
    during = resident(ours.pid)
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "idle_streams": count,
        "idle_rss_before": before,
        "idle_rss": during,
        "idle_bytes_each": (during - before) / count,
    }
