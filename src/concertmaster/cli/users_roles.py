"""`concertmaster users roles` and `groups`: what somebody is."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import Json
from concertmaster.cli.users_store import By, UserId, UsersFile, actor, plain_user, with_store

if TYPE_CHECKING:
    from concertmaster.serving.identity.user import User
    from concertmaster.serving.identity.user_store import UserStore

__all__ = ["groups", "roles"]

ROLES = "Example: concertmaster users roles li add finance manager"
GROUPS = "Example: concertmaster users groups li set finance"


class How(StrEnum):
    """What to do with the names that are given."""

    add = "add"
    remove = "remove"
    set = "set"


_How = Annotated[How, typer.Argument(help="Add these, remove these, or have these alone.")]
_Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]…", help="With `set`, none leaves none.")
]


def _command(kind: str) -> Callable[..., None]:
    """Return the command that changes names of a kind: `roles` or `groups`."""

    def change(
        id_: UserId,
        how: _How,
        names: _Names = None,
        *,
        by: By = None,
        users: UsersFile = None,
        as_json: Json = False,
    ) -> None:
        _change(kind, id_, how, names or [], by=by, users=users, as_json=as_json)

    change.__doc__ = f"Change the {kind} of a user; they count from the next decision on."
    return change


roles, groups = _command("roles"), _command("groups")


def _change(
    kind: str,
    id_: str,
    how: How,
    names: list[str],
    *,
    by: str | None,
    users: Path | None,
    as_json: bool,
) -> None:
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.errors import ConfigError

    if not names and how is not How.set:
        raise ConfigError(
            f"there are no {kind} to {how}", hint=f"`concertmaster users {kind} {id_} {how} NAME`"
        )

    async def work(store: UserStore) -> tuple[User, set[str]]:
        before: set[str] = set(getattr(store.get(id_).principal, kind))
        if how is How.set:
            roles, groups = (names if kind == each else None for each in ("roles", "groups"))
            return await store.change(id_, by=actor(by), roles=roles, groups=groups), before
        given = {"add": names} if how is How.add else {"remove": names}
        return await store.edit_names(id_, kind, by=actor(by), **given), before

    user, before = with_store(users, work)
    now: tuple[str, ...] = getattr(user.principal, kind)
    if as_json:
        print_json(plain_user(user))
        return
    put(f"{id_} has the {kind} {', '.join(now)}" if now else f"{id_} has no {kind}")
    if before == set(now):
        note("nothing changed")
