"""Opening a workspace for a command, and running one message while telling the steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from concertmaster.cli.answers import step_line
from concertmaster.cli.console import err, note

if TYPE_CHECKING:
    from concertmaster.contracts import Principal
    from concertmaster.orchestrator.desk import Desk
    from concertmaster.orchestrator.run import Run

__all__ = ["Told", "custom_home", "exit_code_of", "opened_desk", "people_of", "run_async", "tell"]

_EXITS = {"refused": 5, "failed": 6, "cancelled": 1}


T = TypeVar("T")


def run_async(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's work in an event loop, once everything heavy is imported.

    Imported inside of the loop, it would keep Ctrl-C waiting.
    """
    import concertmaster.orchestrator.opening  # noqa: F401

    return asyncio.run(work())


@dataclass
class Told:
    """Where a message came to be stored, and what Ctrl-C did to it."""

    run: str | None = None
    thread: str | None = None
    cancelled: bool = False

    def interrupted(self) -> str:
        """Return what to say after Ctrl-C."""
        if self.run is None:
            return "interrupted before the message was stored"
        if self.cancelled:
            return (
                f"{self.run} is cancelled, what was done stays done; thread {self.thread} goes on"
            )
        return f"{self.run} was in the middle of a call; the next start finds out what came of it"


@asynccontextmanager
async def opened_desk(
    workspace: Path,
    *,
    home: Path | None,
    model: str | None = None,
    draft: bool = False,
    recover: bool = True,
) -> AsyncIterator[Desk]:
    """Open a workspace, with a sign of life where a terminal watches."""
    console = err()
    sign = console.status(f"opening {workspace}") if console.is_terminal else None
    if sign is not None:
        sign.start()
    try:
        from concertmaster.orchestrator.opening import open_desk

        opening = open_desk(workspace, home=home, model=model, draft=draft, recover=recover)
        async with opening as desk:
            if sign is not None:
                sign.stop()
            yield desk
    finally:
        if sign is not None:
            sign.stop()


def people_of(desk: Desk) -> Sequence[Principal]:
    """Return the people that the workspace declares."""
    return desk.services.spec.principals.principals


def custom_home(desk: Desk) -> Path | None:
    """Return the desk's home if it has to be named in a command, None if it is found by itself."""
    from concertmaster.orchestrator.home import homes

    here = desk.home.path.resolve()
    return None if any(home.resolve() == here for home in homes()) else here


async def tell(
    desk: Desk, text: str, who: str, thread: str | None, *, quiet: bool, told: Told
) -> tuple[Run, float]:
    """Run a message, print its steps on standard error; return the run and its milliseconds."""
    begun = perf_counter()
    try:
        async for event in desk.stream(text, principal=who, thread=thread):
            told.run, told.thread = event.run, event.thread
            line = None if quiet else step_line(event)
            if line is not None:
                note(line)
    except asyncio.CancelledError:
        await asyncio.shield(_cancel(desk, who, told))
        raise
    took = (perf_counter() - begun) * 1000
    assert told.run is not None
    return await desk.get(told.run), took


async def _cancel(desk: Desk, who: str, told: Told) -> None:
    """Cancel a run whose person pressed Ctrl-C.

    One that was cut off in the middle of a call is left as it is, for recovery to find out what
    came of the call.
    """
    if told.run is None:
        return
    effects = await desk.services.carrier.ledger.effects(told.run)
    told.cancelled = all(effect.status in ("done", "failed") for effect in effects)
    if told.cancelled:
        await desk.cancel(told.run, principal=who, why="cancelled with Ctrl-C")


def exit_code_of(run: Run) -> int:
    """Return the exit code that a run's outcome stands for."""
    return _EXITS.get(run.status, 0)
