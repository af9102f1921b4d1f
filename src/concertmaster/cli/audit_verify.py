"""`concertmaster audit verify`: whether the trail is whole, and what is wrong where."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertmaster.cli.options import HomeDir, Json, WorkspaceOf

if TYPE_CHECKING:
    from concertmaster.audit.checking import Checked, Reported

__all__ = ["EXAMPLE", "HeadsFile", "KeysDir", "verify"]

EXAMPLE = "Example: concertmaster audit verify --workspace examples/support_desk"

HeadsFile = Annotated[
    Path | None,
    typer.Option(
        "--heads", metavar="FILE", help="The signed heads, where they are not the home's."
    ),
]
KeysDir = Annotated[
    Path | None,
    typer.Option("--keys", metavar="DIR", help="The public keys, where they are not the home's."),
]


@dataclass(frozen=True)
class _Place:
    """What was verified at a place; `error` tells why it could not be."""

    where: str
    checked: Sequence[Checked] = ()
    error: str | None = None

    @property
    def whole(self) -> bool:
        return self.error is None and all(c.whole for c in self.checked)

    def as_json(self) -> dict[str, Any]:
        streams = [{**asdict(c), "whole": c.whole} for c in self.checked]
        return {"where": self.where, "whole": self.whole, "error": self.error, "streams": streams}


def verify(
    *,
    heads: HeadsFile = None,
    keys: KeysDir = None,
    exported: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Verify an exported file, and no home."),
    ] = None,
    workspace: WorkspaceOf = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Verify that no event was changed, removed, moved, inserted or cut off. Ends with 1 if so.

    Reads only, also while others work in the home. Heads and keys that lie where the writer of the
    trail cannot change them show the most: name them with --heads and --keys.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.failures import FINDINGS

    if exported is not None:
        found = [_file(exported, home, workspace, keys)]
    else:
        found = asyncio.run(_homes(home, workspace, heads, keys))
    if as_json:
        print_json([place.as_json() for place in found])
    else:
        for place in found:
            _show(place)
    if not all(place.whole for place in found):
        raise typer.Exit(FINDINGS)


async def _homes(
    home: Path | None, workspace: Path | None, heads: Path | None, keys: Path | None
) -> list[_Place]:
    from concertmaster.audit.checking import check_home
    from concertmaster.cli.places import chosen_homes
    from concertmaster.cli.records import opened
    from concertmaster.errors import HomeError, StorageError
    from concertmaster.orchestrator.auditing import places_of

    found = []
    for path in chosen_homes(home, workspace):
        try:
            async with opened(path, None) as (records,):
                read = places_of(path, heads, keys).read
                found.append(_Place(str(path), await check_home(records.database, read)))
        except (HomeError, StorageError) as error:
            found.append(_Place(str(path), error=error.message))
    return found


def _file(file: Path, home: Path | None, workspace: Path | None, keys: Path | None) -> _Place:
    from concertmaster.audit.keys import public_keys
    from concertmaster.audit.received import check_export
    from concertmaster.cli.places import chosen_homes
    from concertmaster.errors import ConfigError
    from concertmaster.orchestrator.auditing import places_of

    if keys is not None:
        folders = [keys]
    else:
        folders = [places_of(path).keys for path in chosen_homes(home, workspace)]
    known = {id_: key for folder in folders for id_, key in public_keys(folder).items()}
    try:
        with file.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            return _Place(str(file), check_export(lines, known))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror})") from None


def _show(place: _Place) -> None:
    from concertmaster.cli.console import put, styled

    put(styled(place.where, "dim"))
    if place.error is not None:
        put(styled(f"  not whole: {place.error}", "red"))
    for checked in place.checked:
        _show_stream(checked)
    if not place.checked and place.error is None:
        put("  there are no events")


def _show_stream(checked: Checked) -> None:
    from concertmaster.cli.console import put, styled
    from concertmaster.cli.timeline import counted

    line = styled(f"  {checked.stream}: ", "bold")
    line.append("whole" if checked.whole else "not whole", "green" if checked.whole else "red")
    parts = [counted(checked.events, "event"), f"{checked.erased} erased"]
    parts += [f"{checked.left_out} left out"] if checked.left_out else []
    line.append(f", {', '.join(parts)}")
    put(line)
    for finding in checked.findings:
        put(styled(f"    {_finding(finding)}", "red"))
    for problem in checked.problems:
        put(styled(f"    {problem}", "red"))
    put(styled(f"    {_vouched(checked)}", "dim"))


def _finding(found: Reported) -> str:
    known = [found.event, (found.type or "").removeprefix("concertmaster."), found.time]
    about = "  ".join(word for word in known if word)
    return f"{found.fault:<9} {found.n:>6}  {about}{': ' if about else ''}{found.message}"


def _vouched(checked: Checked) -> str:
    from concertmaster.cli.queue import age

    if checked.signed_at is None:
        return "no signed head vouches for it: an end that was cut off would not show"
    when = f"signed {checked.signed_at} ({age(checked.signed_at)})"
    return f"signed heads vouch up to event {checked.signed}, the last one {when}"
