"""`concertmaster audit keys`: the keys that sign the trail's heads."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from concertmaster.cli.options import HomeDir, Json, WorkspaceOf

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Show and rotate the keys that sign the trail.")


@app.command(epilog="Example: concertmaster audit keys show")
def show(*, workspace: WorkspaceOf = None, home: HomeDir = None, as_json: Json = False) -> None:
    """List the keys: their ids, since when they sign, how many heads they signed."""
    from concertmaster.cli.console import note, print_json, put, styled
    from concertmaster.cli.places import chosen_homes
    from concertmaster.cli.timeline import counted

    found = {str(path): _keys(path) for path in chosen_homes(home, workspace)}
    if as_json:
        print_json([{"home": place, **key} for place, keys in found.items() for key in keys])
        return
    for place, keys in found.items():
        put(styled(place, "dim"))
        for key in keys:
            line = styled(f"  {key['id']}", "bold")
            line.append(f"  since {key['since']}, {counted(key['heads'], 'head')}")
            line.append(", signs now" if key["signs"] else "")
            put(line)
        if not keys:
            note("  no key yet; the first head that is signed makes one")


@app.command(epilog='Example: concertmaster audit keys rotate --as dora --why "yearly"')
def rotate(
    *,
    who: Annotated[str, typer.Option("--as", metavar="PRINCIPAL", help="Who does it.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for the record.")],
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Sign with a new key from now on. Heads of before still verify; the trail tells of it."""
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.cli.places import chosen_homes
    from concertmaster.errors import ConfigError
    from concertmaster.orchestrator.auditing import places_of, rotate_keys

    chosen = chosen_homes(home, workspace)
    if len(chosen) != 1:
        raise ConfigError(
            f"there are {len(chosen)} homes", hint="choose one with --home or --workspace"
        )
    former, fresh = asyncio.run(rotate_keys(chosen[0], by=who, why=why))
    if as_json:
        print_json({"home": str(chosen[0]), "former": former, "key": fresh})
        return
    put(f"{fresh} signs from now on, in place of {former}")
    note(f"keep a copy of {places_of(chosen[0]).keys / f'{fresh}.pub'} somewhere else")


def _keys(home: Path) -> list[dict[str, Any]]:
    from concertmaster.audit.keys import current_key, public_keys
    from concertmaster.orchestrator.auditing import places_of

    places = places_of(home)
    heads = places.read().heads
    signs = current_key(places.keys)
    found = []
    for id_ in public_keys(places.keys):
        times = [head.time for head in heads if head.key == id_]
        since = min(times) if times else _made(places.keys / f"{id_}.pub")
        found.append({"id": id_, "since": since, "heads": len(times), "signs": id_ == signs})
    return sorted(found, key=lambda key: key["since"])


def _made(file: Path) -> str:
    try:
        seconds = file.stat().st_mtime
    except OSError:
        return "an unknown time"
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
