"""`concertmaster audit erase`: a person's thread is forgotten, and the trail still verifies."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from concertmaster.cli.options import Draft, HomeDir, Json, Who, WorkspaceOf

__all__ = ["EXAMPLE", "erase"]

EXAMPLE = 'Example: concertmaster audit erase t-1 --as dora --why "request 4711"'


def erase(
    thread: Annotated[str, typer.Argument(metavar="THREAD", help="The thread's id.")],
    *,
    who: Who,
    why: Annotated[
        str, typer.Option("--why", help="The reason; it is kept, so it may name nobody.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Cancel what runs or waits on the thread first.")
    ] = False,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Erase a thread everywhere in its home, for good. What remains names nobody.

    Its owner may do this, or somebody with the role of the workflow's owner; in the home of a
    governed agent, whoever can write it. What tools keep in files of their own, backups, exports
    and logs are not touched.
    """
    from dataclasses import asdict

    from concertmaster.cli.console import note, print_json, put
    from concertmaster.cli.desks import opened_desk, run_async
    from concertmaster.cli.places import workspace_at
    from concertmaster.cli.timeline import counted
    from concertmaster.orchestrator.forgetting import Forgotten

    if workspace is None and home is not None and _is_agents(home):
        _of_agent(home, thread, who, why, as_json=as_json)
        return

    async def work() -> Forgotten:
        place = await _place(home, workspace, thread)
        folder = workspace or workspace_at(place)
        async with opened_desk(folder, home=place, draft=draft, recover=False) as desk:
            return await desk.forget(thread, by=who, why=why, force=force)

    done = run_async(work)
    if as_json:
        print_json(asdict(done))
        return
    told = [counted(done.runs, "run"), counted(done.events, "event")]
    told += [counted(done.artifacts, "large result")] if done.artifacts else []
    put(f"{thread} is erased: {', '.join(told)}")
    if not done.purged:
        note("another program reads the database: run this again once it is closed, to clear away")


def _is_agents(home: Path) -> bool:
    from concertmaster.graphs.langchain.stores import FILE

    return (home.expanduser() / FILE).is_file()


def _of_agent(home: Path, thread: str, who: str, why: str, *, as_json: bool) -> None:
    """Erase a thread of agents that are governed; their graphs' own checkpoints are elsewhere."""
    from concertmaster.cli.console import print_json, put
    from concertmaster.cli.desks import run_async
    from concertmaster.cli.timeline import counted
    from concertmaster.graphs.langchain.forgetting import forget_in

    work = partial(forget_in, home.expanduser().resolve(), thread, by=who, why=why)
    events = run_async(work)
    if as_json:
        print_json({"thread": thread, "events": events})
    else:
        put(f"{thread} is erased: {counted(events, 'event')}")


async def _place(home: Path | None, workspace: Path | None, thread: str) -> Path:
    """Return the home that has a thread; the only one, if the thread was erased before."""
    from concertmaster.cli.records import find_thread, opened
    from concertmaster.errors import UnknownRun

    async with opened(home, workspace) as places:
        try:
            return (await find_thread(places, thread))[0].home
        except UnknownRun:
            if len(places) != 1:
                raise
            return places[0].home
