"""What the commands on users share: the file, who acts, and how users are shown."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from concertmaster.serving.identity.key_store import ApiKey
    from concertmaster.serving.identity.user import User
    from concertmaster.serving.identity.user_store import UserStore

__all__ = [
    "By",
    "UserId",
    "UsersFile",
    "actor",
    "empty_table",
    "keys_table",
    "plain_user",
    "with_store",
]

T = TypeVar("T")

UserId = Annotated[str, typer.Argument(metavar="ID", help="The id of a user.")]
UsersFile = Annotated[
    Path | None,
    typer.Option(
        "--users",
        metavar="FILE",
        help="The file of users; by default users.db under CONCERTMASTER_HOME.",
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--as", metavar="WHO", help="Who does it, for the log; by default who is logged in."
    ),
]


def actor(who: str | None) -> str:
    """Return who does something, as the log has it."""
    if who is not None:
        return who
    try:
        return f"login:{getpass.getuser()}"
    except (OSError, KeyError):
        return "login:unknown"


def with_store(path: Path | None, work: Callable[[UserStore], Awaitable[T]]) -> T:
    """Open the store, do some work with it, and close it."""
    from concertmaster.serving.identity.user_store import UserStore

    store = UserStore.open(path)

    async def run() -> T:
        return await work(store)

    try:
        return asyncio.run(run())
    finally:
        store.close()


def plain_user(user: User, keys: Sequence[ApiKey] = ()) -> dict[str, Any]:
    """Return what is known of a user, for JSON."""
    own = [key.model_dump(mode="json", exclude={"user"}) for key in keys if key.user == user.id]
    return {
        **user.principal.model_dump(mode="json"),
        "disabled": user.disabled,
        "created": user.created,
        "keys": own,
    }


def keys_table(keys: Sequence[ApiKey], *, whose: bool) -> Table:
    """Return a table of keys, with their users if that is not said already."""
    table = empty_table("key", *(("user",) if whose else ()), "state", "used", "note")
    for key in keys:
        cells = [key.id, *([key.user] if whose else []), _state(key), _day(key.used) or "never"]
        table.add_row(*cells, key.note)
    return table


def empty_table(*columns: str) -> Table:
    """Return a table with these columns and no rows."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _state(key: ApiKey) -> str:
    from concertmaster.contracts.base import now
    from concertmaster.contracts.deadline import utc

    if key.revoked is not None:
        return f"revoked {_day(key.revoked)}"
    if key.expires is None:
        return "good"
    over = key.expires <= utc(now())
    when = key.expires[:16].replace("T", " ")
    return f"expired {when}" if over else f"good until {when}"


def _day(moment: str | None) -> str:
    return (moment or "")[:10]
