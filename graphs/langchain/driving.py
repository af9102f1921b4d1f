"""How the way of a call through the gate is gone: by a caller that waits, or by one that awaits.

The way is a generator: it yields what has to be done, and is sent what came of it. Calls are
decided and written down where their callers are. Only what asks people, and the `async` code of a
tool's declaration, goes to the governance's own event loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concertmaster.graphs.langchain.background import Background
    from concertmaster.graphs.langchain.passing import Passing
    from concertmaster.graphs.langchain.stores import Stores

__all__ = ["Driver", "Here", "Run", "Step", "Steps", "There", "Write"]


@dataclass(frozen=True, slots=True)
class Run:
    """Run the tool now with exactly these arguments."""

    passing: Passing


@dataclass(frozen=True, slots=True)
class Write:
    """Run a function in one transaction of the stores; once begun it is finished."""

    work: Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True)
class Here:
    """Await it in the caller's own event loop, if there is one; it is cancelled with the caller."""

    work: Coroutine[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class There:
    """Await it in the governance's event loop; once begun it is finished."""

    work: Coroutine[Any, Any, Any]


Step = Run | Write | Here | There
Steps = Generator[Step, Any, Any]


class Driver:
    """Goes the ways of all calls of one governance, in any thread and on any event loop."""

    def __init__(self, background: Background, stores: Stores) -> None:
        self._background = background
        self._stores = stores

    def drive(self, steps: Steps, run: Callable[[Passing], Any]) -> Any:
        """Go the way and wait for each step."""
        try:
            self._background.allow_waiting()
            step = next(steps)
            while True:
                try:
                    done = self._done(step, run)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as end:
            return end.value

    def _done(self, step: Step, run: Callable[[Passing], Any]) -> Any:
        match step:
            case Run(passing):
                return run(passing)
            case Write(work):
                self._background.allow()
                return self._stores.write(work)
            case Here(work) | There(work):
                return self._background.wait(work)

    async def drive_async(self, steps: Steps, run: Callable[[Passing], Awaitable[Any]]) -> Any:
        """Go the way and await each step."""
        try:
            step = next(steps)
            while True:
                try:
                    done = await self._awaited(step, run)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as end:
            return end.value

    async def _awaited(self, step: Step, run: Callable[[Passing], Awaitable[Any]]) -> Any:
        match step:
            case Run(passing):
                return await run(passing)
            case Write(work):
                self._background.allow()
                return await self._stores.awrite(work)
            case Here(work):
                return await work
            case There(work):
                return await self._background.join(work)
