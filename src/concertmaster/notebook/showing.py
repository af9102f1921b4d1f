"""A run, shown while it goes on."""

from __future__ import annotations

import asyncio

from concertmaster.contracts import Principal, StreamEvent
from concertmaster.notebook.front import Place, in_notebook
from concertmaster.notebook.progress import Progress, line_of
from concertmaster.notebook.wanted import asynchronous
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.run import Run

__all__ = ["show"]


async def show(
    desk: Desk, text: str, *, principal: Principal | str, thread: str | None = None
) -> Run:
    """Answer one message like `Desk.run`, and show below the cell how far it is.

    One place is written anew with each hop, step and call, and holds the run's card in the end:
    `run = await cm.show(…)`. Where there is no notebook, lines are printed instead.

    Raises:
        ConfigError: the desk is a synchronous one.
        RequestError, UnknownPrincipal, ThreadForbidden, HomeBusy, StorageError: see `Desk.run`.
    """
    asynchronous(desk, "cm.show")
    if not in_notebook():
        return await _printed(desk, text, principal, thread)
    place = Place()
    progress = Progress(text=text)

    def tell(event: StreamEvent) -> None:
        nonlocal progress
        progress = progress.after(event)
        place.put(progress.html(), f"{progress.run} is running")

    try:
        run = await desk.run(text, principal=principal, thread=thread, tell=tell)
    except BaseException as error:
        # A cell that is interrupted, or fails, must not go on saying that something runs.
        if progress.run:
            place.put(progress.html("stopped", _why(error)), f"{progress.run} stopped")
        raise
    place.put(run._repr_html_(), repr(run))
    return run


def _why(error: BaseException) -> str:
    """Say what stopped a run without repeating what the error holds; the traceback has it."""
    interrupted = isinstance(error, asyncio.CancelledError | KeyboardInterrupt)
    return "interrupted" if interrupted else type(error).__name__


async def _printed(desk: Desk, text: str, principal: Principal | str, thread: str | None) -> Run:
    def tell(event: StreamEvent) -> None:
        line = line_of(event)
        if line is not None:
            print(line, flush=True)

    run = await desk.run(text, principal=principal, thread=thread, tell=tell)
    if run.outcome.text:
        print(run.outcome.text)
    for citation in {c.number: c for c in run.outcome.citations}.values():
        print(f"[{citation.number}] {citation.title}")
    return run
