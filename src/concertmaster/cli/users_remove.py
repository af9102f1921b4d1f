"""`concertmaster users remove`: somebody is gone for good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import Json
from concertmaster.cli.users_store import By, UserId, UsersFile, actor, with_store

if TYPE_CHECKING:
    from concertmaster.serving.identity.removal import Removed
    from concertmaster.serving.identity.user_store import UserStore

__all__ = ["remove"]

EXAMPLE = "Example: concertmaster users remove li --as dora"


def remove(
    id_: UserId,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    by: By = None,
    users: UsersFile = None,
    as_json: Json = False,
) -> None:
    """Remove somebody for good: keys, tokens, sessions, name, roles. Disabling can be undone.

    Threads stay until they are erased, so the id is given to nobody else; `users add --again`
    gives it to the same person.
    """
    from concertmaster.cli.console import note, print_json, put

    async def work(store: UserStore) -> Removed:
        if not store.seen.known(id_):
            store.get(id_)
        if not yes:
            _ask(id_)
        return await store.remove(id_, by=actor(by))

    done = with_store(users, work)
    if as_json:
        told = {"keys": done.keys, "sessions": done.sessions, "purged": done.purged}
        print_json({"id": id_, "removed": True, "logged_as": done.tag, **told})
        return
    put(f"{id_} is removed; the log calls them {done.tag}")
    note("threads of theirs stay: `concertmaster audit erase THREAD` erases one")
    if not done.purged:
        note("another program has the file open: bytes may be left in its log until it is closed")


def _ask(id_: str) -> None:
    from concertmaster.cli.console import complain
    from concertmaster.cli.failures import INTERRUPTED
    from concertmaster.errors import ConfigError

    if not sys.stdin.isatty():
        raise ConfigError(
            f"removing {id_} cannot be undone, and nobody is here to be asked", hint="add --yes"
        )
    try:
        wanted = typer.confirm(f"Remove {id_} for good?", err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
    if not wanted:
        complain("nothing was removed")
        raise typer.Exit(INTERRUPTED)
