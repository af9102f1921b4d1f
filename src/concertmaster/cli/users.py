"""`concertmaster users`: who may use a server, with which roles and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli import users_import, users_keys, users_remove, users_roles
from concertmaster.cli.failures import CommandGroup
from concertmaster.cli.options import Json
from concertmaster.cli.users_store import (
    By,
    UserId,
    UsersFile,
    actor,
    empty_table,
    keys_table,
    plain_user,
    with_store,
)

if TYPE_CHECKING:
    from concertmaster.serving.identity.user_store import Change, UserStore

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Who may use a server, with which roles and keys.",
)

_Name = Annotated[str | None, typer.Option("--name", help="The name that people read.")]
_Roles = Annotated[
    list[str] | None, typer.Option("--role", metavar="ROLE", help="May be repeated.")
]
_Groups = Annotated[
    list[str] | None, typer.Option("--group", metavar="GROUP", help="May be repeated.")
]
_Tenant = Annotated[str | None, typer.Option("--tenant", help="The tenant that they belong to.")]


@app.command(epilog='Example: concertmaster users add li --name "Li Zhang" --role finance')
def add(
    id_: UserId,
    *,
    name: _Name = None,
    roles: _Roles = None,
    groups: _Groups = None,
    tenant: _Tenant = None,
    again: Annotated[
        bool, typer.Option("--again", help="Though the id was removed: it is the same person.")
    ] = False,
    by: By = None,
    users: UsersFile = None,
    as_json: Json = False,
) -> None:
    """Add a user. Without a role they may do what everybody may."""
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.contracts import Principal
    from concertmaster.serving.identity.user import checked_id

    principal = Principal(
        id=checked_id(id_),
        name=name,
        roles=tuple(roles or ()),
        groups=tuple(groups or ()),
        tenant=tenant,
    )
    user = with_store(users, lambda store: store.add(principal, by=actor(by), again=again))
    if as_json:
        print_json(plain_user(user))
        return
    put(f"{user.id} is added{_with(user.principal.roles)}")
    note(f"`concertmaster users key create {user.id}` makes a key to sign in with")


@app.command("list", epilog="Example: concertmaster users list")
def list_(
    *,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Whom tokens named instead, and until when.")
    ] = False,
    users: UsersFile = None,
    as_json: Json = False,
) -> None:
    """List who there is."""
    from concertmaster.cli.console import note, print_json, put, safe

    async def work(store: UserStore) -> None:
        if tokens:
            _list_named(store, as_json=as_json)
            return
        found, keys = store.users(), store.keys.keys()
        if as_json:
            print_json([plain_user(user, keys) for user in found])
            return
        if not found:
            note(f"{store.file.path} holds nobody; `concertmaster users add ID` adds somebody")
            return
        table = empty_table("id", "name", "roles", "groups", "tenant", "keys")
        for user in found:
            who = user.principal
            good = sum(key.user == user.id and key.revoked is None for key in keys)
            cells = [who.name or "", ", ".join(who.roles), ", ".join(who.groups), who.tenant or ""]
            shown = f"{who.id} (disabled)" if user.disabled else who.id
            table.add_row(*map(safe, [shown, *cells, good]))
        put(table)

    with_store(users, work)


@app.command(epilog="Example: concertmaster users show li")
def show(
    id_: UserId,
    *,
    last: Annotated[int, typer.Option(min=0, help="So many of the latest changes.")] = 10,
    users: UsersFile = None,
    as_json: Json = False,
) -> None:
    """Show a user: roles, keys, and what was changed by whom."""
    from concertmaster.cli.console import print_json, put, styled

    async def work(store: UserStore) -> None:
        user, keys = store.get(id_), store.keys.keys(id_)
        changes = store.changes(id_, last=last)
        if as_json:
            told = [change.model_dump(mode="json") for change in changes]
            print_json({**plain_user(user, keys), "changes": told})
            return
        who = user.principal
        put(styled(f"{who.id}{', disabled' if user.disabled else ''}", "bold"))
        rows = {
            "name": who.name,
            "roles": ", ".join(who.roles),
            "groups": ", ".join(who.groups),
            "tenant": who.tenant,
        }
        for label, value in rows.items():
            put(styled(f"  {label:<8}{value or '–'}"))
        if keys:
            put(keys_table(keys, whose=False))
        for change in changes:
            line = f"  {_second(change)}  {change.what} by {change.by}{_details(change)}"
            put(styled(line, "dim"))

    with_store(users, work)


@app.command(epilog="Example: concertmaster users disable li")
def disable(id_: UserId, *, by: By = None, users: UsersFile = None, as_json: Json = False) -> None:
    """Let somebody do nothing any more, at once: keys, tokens, sessions, waiting runs."""
    from concertmaster.cli.console import print_json, put

    with_store(users, lambda store: store.disable(id_, by=actor(by)))
    if as_json:
        print_json({"id": id_, "disabled": True})
    else:
        put(f"{id_} is disabled; keys, sessions and waiting runs are refused from now on")


@app.command(epilog="Example: concertmaster users enable li")
def enable(id_: UserId, *, by: By = None, users: UsersFile = None, as_json: Json = False) -> None:
    """Let somebody in again. Keys that were not revoked are good again, sessions are not."""
    from concertmaster.cli.console import print_json, put

    with_store(users, lambda store: store.disable(id_, by=actor(by), disabled=False))
    if as_json:
        print_json({"id": id_, "disabled": False})
    else:
        put(f"{id_} is enabled")


@app.command(epilog="Example: concertmaster users log --last 50")
def log(
    *,
    last: Annotated[int, typer.Option(min=1, help="So many of the latest.")] = 100,
    users: UsersFile = None,
    as_json: Json = False,
) -> None:
    """Show who changed what of whom, and who signed in to the console, oldest first."""
    from concertmaster.cli.console import note, print_json, put, styled

    async def work(store: UserStore) -> None:
        found = store.changes(last=last)
        if as_json:
            print_json([change.model_dump(mode="json") for change in found])
            return
        for change in found:
            line = styled(f"{_second(change)}  ", "dim")
            line.append(styled(change.subject, "bold"))
            line.append(styled(f"  {change.what} by {change.by}{_details(change)}"))
            put(line)
        if not found:
            note("nothing was changed yet")

    with_store(users, work)


app.command(epilog=users_remove.EXAMPLE)(users_remove.remove)
app.command("roles", epilog=users_roles.ROLES)(users_roles.roles)
app.command("groups", epilog=users_roles.GROUPS)(users_roles.groups)
app.add_typer(users_keys.app, name="key")
app.command(epilog=users_keys.REVOKE)(users_keys.revoke)
app.command(epilog=users_keys.CODE)(users_keys.code)
app.command("import", epilog=users_import.EXAMPLE)(users_import.import_)


def _list_named(store: UserStore, *, as_json: bool) -> None:
    from concertmaster.cli.console import note, print_json, put, safe

    found = store.seen.named()
    if as_json:
        print_json([named.model_dump(mode="json") for named in found])
        return
    if not found:
        note("no token named anybody yet")
        return
    table = empty_table("id", "roles", "groups", "tenant", "known until")
    for named in found:
        who = named.principal
        until = "disabled" if named.disabled else named.until[:16].replace("T", " ")
        cells = [who.id, ", ".join(who.roles), ", ".join(who.groups), who.tenant or "", until]
        table.add_row(*map(safe, cells))
    put(table)


def _second(change: Change) -> str:
    return change.at[:19].replace("T", " ")


def _details(change: Change) -> str:
    """Return what a change made of what, as far as it is told in few words."""
    before, after = change.detail.get("before"), change.detail.get("after")
    if before is None or after is None:
        key = change.detail.get("key") or ", ".join(change.detail.get("keys", ()))
        return f": {key}" if key else ""
    return ": " + "; ".join(
        f"{kind} {_listed(before[kind])} → {_listed(after[kind])}" for kind in after
    )


def _listed(value: object) -> str:
    return (", ".join(value) if isinstance(value, list) else str(value or "")) or "none"


def _with(roles: tuple[str, ...]) -> str:
    return f" with {', '.join(roles)}" if roles else ""
