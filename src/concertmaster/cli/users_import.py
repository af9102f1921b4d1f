"""`concertmaster users import`: the people that a workspace declares, as users of a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.cli.options import Json, WorkspaceDir
from concertmaster.cli.users_store import By, UsersFile, actor, with_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from concertmaster.contracts import Principal
    from concertmaster.serving.identity.user_store import UserStore

__all__ = ["import_"]

EXAMPLE = "Example: concertmaster users import examples/support_desk"


def import_(
    workspace: WorkspaceDir, *, by: By = None, users: UsersFile = None, as_json: Json = False
) -> None:
    """Add the people of a workspace's principals.yaml. Who is a user already stays as they are.

    Whose id was removed is left out; `users add --again` takes the same person in again.
    """
    from concertmaster.cli.console import note, print_json, put

    people = _people(workspace)

    async def work(store: UserStore) -> dict[str, list[str]]:
        new = [person for person in people if store.find(person.id) is None]
        gone = {person.id for person in new if store.was_removed(person.id)}
        for person in new:
            if person.id not in gone:
                await store.add(person, by=actor(by))
        unknown = {person.id for person in new}
        return {
            "added": [person.id for person in new if person.id not in gone],
            "there": [person.id for person in people if person.id not in unknown],
            "removed": [person.id for person in new if person.id in gone],
        }

    done = with_store(users, work)
    if as_json:
        print_json(done)
        return
    added, there, gone = done["added"], done["there"], done["removed"]
    put(f"added: {', '.join(added) or 'nobody'}")
    if there:
        note(f"there already, and left as they are: {', '.join(there)}")
    if gone:
        note(f"removed before, and left out: {', '.join(gone)}")
    note("`concertmaster users key create ID` makes a key to sign in with")


def _people(workspace: Path) -> Sequence[Principal]:
    import yaml
    from pydantic import ValidationError

    from concertmaster.contracts.spec import PrincipalsFile
    from concertmaster.errors import WorkspaceError
    from concertmaster.serving.identity.user import checked_id

    file = workspace.expanduser() / "principals.yaml"
    try:
        people = PrincipalsFile.model_validate(yaml.safe_load(file.read_text("utf-8"))).principals
    except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not of the expected form"
        raise WorkspaceError(
            f"{file} cannot be read: {why}",
            hint=f"`concertmaster check {workspace}` tells what is wrong",
        ) from None
    for person in people:
        checked_id(person.id)
    return people
