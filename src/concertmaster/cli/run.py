"""`concertmaster run`: one message, answered as far as it goes without a person."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from concertmaster.cli.failures import INTERRUPTED
from concertmaster.cli.options import Draft, HomeDir, Json, ModelName, Quiet, Who, WorkspaceDir

__all__ = ["run"]

EXAMPLE = """Example: concertmaster run examples/support_desk "Where is order 1042?" --as ana"""


def run(
    workspace: WorkspaceDir,
    message: Annotated[
        str, typer.Argument(metavar="MESSAGE", help="What to ask or do; - reads standard input.")
    ],
    *,
    who: Who,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="The conversation; a new one without it.")
    ] = None,
    model: ModelName = None,
    home: HomeDir = None,
    draft: Draft = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Answer one message.

    The steps go to standard error, the answer with its sources to standard output. If a person
    has to decide first, it prints the approval and the command that decides it.
    """
    from concertmaster.cli.answers import run_json, show_run
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.desks import (
        Told,
        custom_home,
        exit_code_of,
        opened_desk,
        people_of,
        run_async,
        tell,
    )

    text = sys.stdin.read() if message == "-" else message
    told = Told()

    async def work() -> int:
        async with opened_desk(workspace, home=home, model=model, draft=draft) as desk:
            done, ms = await tell(desk, text, who, thread, quiet=quiet, told=told)
            if as_json:
                print_json(run_json(done, ms))
            else:
                show_run(done, home=custom_home(desk), people=people_of(desk), ms=ms)
            return exit_code_of(done)

    try:
        code = run_async(work)
    except KeyboardInterrupt:
        note(told.interrupted())
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(code)
