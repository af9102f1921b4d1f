"""The same runs in a process without a server: what the desk itself can do.

python alone.py       (reads lines `AT_ONCE REQUESTS`, answers each with runs a second)
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import concertmaster as cm
from concertmaster.contracts import Principal
from concertmaster.orchestrator.desk import Desk

__all__ = ["Alone"]

WORKSPACE = Path(__file__).resolve().parents[2] / "examples" / "support_desk"
MESSAGE = "Where is order 1042?"
ANA = Principal(id="ana", roles=("customer",))


class Alone:
    """The child process that has the desk open."""

    async def __aenter__(self) -> Self:
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self.runs_per_second(1, 1)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        await self._child.wait()

    async def runs_per_second(self, at_once: int, requests: int) -> float:
        """Carry out so many runs, so many at once, each on a thread of its own."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{at_once} {requests}\n".encode())
        await self._child.stdin.drain()
        return float(await self._child.stdout.readline())


async def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="concertmaster-alone-") as home:
        async with cm.open(WORKSPACE, home=home) as desk:
            while line := await asyncio.to_thread(sys.stdin.readline):
                at_once, requests = map(int, line.split())
                print(await _measured(desk, at_once, requests), flush=True)


async def _measured(desk: Desk, at_once: int, requests: int) -> float:
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            run = await desk.run(MESSAGE, principal=ANA)
            assert run.status == "answered", run.status

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return requests / (time.perf_counter() - begun)


if __name__ == "__main__":
    asyncio.run(_main())
