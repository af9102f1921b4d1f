"""`concertmaster backup` and `restore`: a consistent copy of a home directory, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from concertmaster.cli.options import Json
from concertmaster.cli.users_store import By, UsersFile, actor

__all__ = ["backup", "restore"]

EXAMPLE = "Example: concertmaster backup examples/support_desk ~/backups/support_desk-monday"
RESTORE = "Example: concertmaster restore ~/backups/support_desk-monday examples/support_desk"

_Place = Annotated[
    Path, typer.Argument(metavar="HOME_OR_WORKSPACE", help="A home directory or a workspace.")
]
_NoUsers = Annotated[bool, typer.Option("--no-users", help="Leave the file of users out.")]


def backup(
    source: _Place,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A folder that does not exist.")],
    *,
    private_key: Annotated[
        bool, typer.Option("--private-key", help="Copy the key that signs the trail, too.")
    ] = False,
    users: UsersFile = None,
    no_users: _NoUsers = False,
    as_json: Json = False,
) -> None:
    """Copy a home directory while nobody works in it, and the users of the server.

    Database, index, the tools' data, large results, classifier, signed heads, public keys: all of
    one moment. Of users.db sessions and codes are left out. A target that exists is never written
    to; it is for its owner alone, and not encrypted.
    """
    import shlex

    from concertmaster.cli.console import note, print_json, put
    from concertmaster.cli.places import chosen_homes
    from concertmaster.orchestrator.backup import back_up
    from concertmaster.orchestrator.home import DATABASE

    is_home = (source.expanduser() / DATABASE).is_file()
    home = source.expanduser() if is_home else chosen_homes(None, source)[0]
    people = None if no_users else _users_there(users)
    beside = None if people is None else _copies(people)
    place = target.expanduser()
    made = asyncio.run(back_up(home, place, private_key=private_key, beside=beside))
    if as_json:
        told = {"bytes": made.size, "users": str(people) if people else None}
        print_json({"home": str(home), "target": str(made.target), **told})
        return
    put(f"{home} copied to {made.target} ({made.size / 2**20:.1f} MB)")
    note(f"with the users of {people}" if people else "without users")
    there, moved = shlex.quote(str(home)), shlex.quote(f"{home}.old")
    note(
        "To restore it, stop what works in the home, then:\n"
        f"  mv {there} {moved}\n"
        f"  concertmaster restore {shlex.quote(str(made.target))} {there}"
    )


def restore(
    source: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="A folder that `backup` has made.")
    ],
    target: _Place,
    *,
    by: By = None,
    users: UsersFile = None,
    no_users: _NoUsers = False,
    as_json: Json = False,
) -> None:
    """Put a backup where a home was, and its users where there is no file of users.

    The databases are looked through before. Nothing is written over: move away what is there. A
    file of users that is there stays, because who was disabled or removed since would be back.
    """
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.orchestrator.backup import USERS, check_target, check_whole, put_back
    from concertmaster.serving.identity.snapshot import put_back_users
    from concertmaster.serving.identity.user_file import users_path

    folder, home = source.expanduser(), _home_for(target.expanduser())
    copied, people = folder / USERS, (users or users_path()).expanduser()
    held = copied.is_file() and not no_users
    kept = held and people.exists()
    missing = held and not kept
    check_target(home)
    if missing:
        check_whole(copied)
    made = put_back(folder, home)
    if missing:
        asyncio.run(put_back_users(copied, people, by=actor(by)))
    if as_json:
        told = {"users": str(people) if missing else None, "users_kept": kept}
        print_json({"backup": str(folder), "home": str(home), "bytes": made.size, **told})
        return
    put(f"{folder} put back to {home} ({made.size / 2**20:.1f} MB)")
    if kept:
        note(f"{people} is there and stays as it is; the backup's own is {copied}")
    elif missing:
        note(f"the users are in {people}; everybody signs in anew")
        note("what was revoked, disabled or removed since the backup is as before: look at it now")
    elif not no_users:
        note("the backup holds no users")
    note("`concertmaster doctor` tells what became of its runs")


def _home_for(place: Path) -> Path:
    from concertmaster.cli.places import home_of

    return home_of(place) if (place / "workflow.yaml").is_file() else place


def _users_there(given: Path | None) -> Path | None:
    """Return the file of users to copy; None if nobody was ever added.

    Raises:
        ConfigError: the one that was named does not exist.
    """
    from concertmaster.errors import ConfigError
    from concertmaster.serving.identity.user_file import users_path

    path = (given or users_path()).expanduser()
    if path.is_file():
        return path
    if given is not None:
        raise ConfigError(f"there is no {path}", hint="--no-users leaves users out")
    return None


def _copies(people: Path) -> Callable[[Path], None]:
    from concertmaster.orchestrator.backup import USERS
    from concertmaster.serving.identity.snapshot import snapshot

    return lambda folder: snapshot(people, folder / USERS)
