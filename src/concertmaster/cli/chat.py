"""`concertmaster chat`: a conversation in the terminal, or over lines of standard input."""

from __future__ import annotations

from typing import Annotated

import typer

from concertmaster.cli.options import Draft, HomeDir, Json, ModelName, Quiet, Who, WorkspaceDir

__all__ = ["chat"]

EXAMPLE = """Example: concertmaster chat examples/support_desk --as ana

Example: printf 'Where is order 1042?\\n' | concertmaster chat examples/support_desk --as ana"""


def chat(
    workspace: WorkspaceDir,
    *,
    who: Who,
    thread: Annotated[
        str | None, typer.Option("--thread", "-t", help="Go on with this conversation.")
    ] = None,
    model: ModelName = None,
    home: HomeDir = None,
    draft: Draft = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Talk with a desk.

    One line is one message; /help lists what else can be typed. Ctrl-C cancels the turn that
    runs and keeps the conversation, Ctrl-D leaves. Lines that are piped in are answered in order.
    With --json every message gives one JSON document on a line.
    """
    import concertmaster.orchestrator.opening  # noqa: F401  (heavy: Ctrl-C must not wait for it)
    from concertmaster.cli.conversation import Conversation

    with Conversation(
        workspace,
        who=who,
        thread=thread,
        home=home,
        model=model,
        draft=draft,
        quiet=quiet,
        as_json=as_json,
    ) as conversation:
        code = conversation.hold()
    raise typer.Exit(code)
