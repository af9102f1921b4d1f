"""`concertmaster users key`, `revoke` and `code`: what somebody signs in with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.failures import CommandGroup
from concertmaster.cli.options import Json
from concertmaster.cli.users_store import By, UserId, UsersFile, actor, keys_table, with_store

if TYPE_CHECKING:
    from concertmaster.serving.identity.user_store import UserStore

__all__ = ["app", "code", "revoke"]

REVOKE = "Example: concertmaster users revoke apikey-5f0c12ab34cd"
CODE = "Example: concertmaster users code li"
_UNITS = {"m": 60, "h": 3600, "d": 86400}
_LONGEST = 10 * 366 * 86400

app = typer.Typer(cls=CommandGroup, no_args_is_help=True, help="Make and list API keys.")


@app.command(epilog="Example: concertmaster users key create li --expires 90d --note laptop")
def create(
    id_: UserId,
    *,
    expires: Annotated[
        str | None, typer.Option(metavar="SPAN", help="90d, 12h or 30m; never without it.")
    ] = None,
    remark: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
    by: By = None,
    users: UsersFile = None,
    as_json: Json = False,
) -> None:
    """Make a key for a user. It is printed once, on standard output alone; nobody has it after."""
    from concertmaster.cli.console import note, print_json, put

    seconds = None if expires is None else _seconds(expires)
    key, text = with_store(
        users, lambda store: store.keys.create(id_, by=actor(by), note=remark, seconds=seconds)
    )
    if as_json:
        print_json({**key.model_dump(mode="json"), "text": text})
        return
    until = f"good until {key.expires[:16].replace('T', ' ')} UTC" if key.expires else "without end"
    put(text)
    note(f"{key.id} of {id_}, {until};")
    note("keep it in a safe place now: it is not shown again")


@app.command("list", epilog="Example: concertmaster users key list li")
def list_(
    id_: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A user; all without it.")
    ] = None,
    *,
    users: UsersFile = None,
    as_json: Json = False,
) -> None:
    """List keys: whose, since when, whether they are good, when they were used last."""
    from concertmaster.cli.console import note, print_json, put

    async def work(store: UserStore) -> None:
        found = store.keys.keys(store.get(id_).id if id_ is not None else None)
        if as_json:
            print_json([key.model_dump(mode="json") for key in found])
        elif not found:
            note("there is no key; `concertmaster users key create ID` makes one")
        else:
            put(keys_table(found, whose=id_ is None))

    with_store(users, work)


def revoke(
    what: Annotated[
        str, typer.Argument(metavar="KEY|ID", help="A key (apikey-…), or a user for all of theirs.")
    ],
    *,
    by: By = None,
    users: UsersFile = None,
    as_json: Json = False,
) -> None:
    """Revoke a key, or all keys of a user, at once. The user's sessions end, too."""
    from concertmaster.cli.console import note, print_json, put

    gone = with_store(users, lambda store: store.keys.revoke(what, by=actor(by)))
    if as_json:
        print_json([key.model_dump(mode="json") for key in gone])
        return
    for key in gone:
        put(f"{key.id} of {key.user} is revoked")
    if not gone:
        note("no key was good any more; sessions ended, if there were any")


def code(id_: UserId, *, by: By = None, users: UsersFile = None, as_json: Json = False) -> None:
    """Make a one-time code with which a user signs in to the console."""
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.serving.identity.codes import MINUTES, Codes

    made = with_store(users, lambda store: Codes(store).create(id_, by=actor(by)))
    if as_json:
        print_json({"id": id_, "code": made, "minutes": MINUTES})
        return
    put(made)
    note(f"good once, for {MINUTES} minutes, in the console's sign-in form, for {id_}")


def _seconds(span: str) -> float:
    from concertmaster.errors import ConfigError

    found = re.fullmatch(r"([0-9]{1,6})([mhd])", span)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST:
        raise ConfigError(f"{span!r} is no time", hint="write 30m, 12h or 90d, up to ten years")
    return seconds
