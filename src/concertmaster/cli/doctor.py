"""`concertmaster doctor`: what is stuck, in doubt, overdue or inconsistent, and what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import HomeDir, Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from concertmaster.orchestrator.doctor import Examined, Finding

__all__ = ["doctor"]

EXAMPLE = "Example: concertmaster doctor examples/support_desk"

_STYLES = {"problem": "bold red", "attention": "yellow", "note": "dim"}
_WIDEST = 80


def doctor(
    workspace: Annotated[
        Path | None,
        typer.Argument(metavar="[WORKSPACE]", help="Only the home of this workspace."),
    ] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Name what is stuck, in doubt, overdue or inconsistent, and the command that mends it.

    Reads only, without the lock, also while a desk works in the home; of a damaged home it tells
    what is damaged. Ends with 1 if there is a problem; attention and notes leave it at 0.
    """
    import asyncio

    from concertmaster.cli.console import print_json
    from concertmaster.cli.failures import FINDINGS

    examined = asyncio.run(_examined(home, workspace))
    if as_json:
        healthy = all(one.healthy for one in examined)
        print_json({"healthy": healthy, "homes": [one.as_json() for one in examined]})
    else:
        for one in examined:
            _show(one)
    if not all(one.healthy for one in examined):
        raise typer.Exit(FINDINGS)


async def _examined(home: Path | None, workspace: Path | None) -> Sequence[Examined]:
    from concertmaster.orchestrator.doctor import examine

    return [await examine(place, workspace) for place in _places(home, workspace)]


def _places(home: Path | None, workspace: Path | None) -> list[Path]:
    """Return the homes to examine, also those whose database is not there any more.

    Raises:
        HomeError: the one that was named does not exist, or there is none at all.
        WorkspaceError: what was named as a workspace is none.
    """
    from concertmaster.cli.places import chosen_homes, home_of
    from concertmaster.orchestrator.home import base_dir, homes

    if home is not None:
        return [home]
    if workspace is not None:
        place = home_of(workspace)
        return [place] if place.is_dir() else chosen_homes(None, workspace)
    noted = (path.parent for path in base_dir().glob("*/workspace.json"))
    return sorted({*homes(), *noted}) or chosen_homes(None, None)


def _show(examined: Examined) -> None:
    from concertmaster.cli.console import note, put, styled
    from concertmaster.cli.timeline import counted

    put(styled(examined.home, "dim"))
    for finding in examined.findings:
        _show_finding(finding)
    if not examined.findings:
        put(styled("  nothing is stuck, in doubt, overdue or inconsistent", "green"))
        return
    counts = [
        counted(examined.count("problem"), "problem"),
        f"{examined.count('attention')} for attention",
        counted(examined.count("note"), "note"),
    ]
    note("  " + ", ".join(counts))


def _show_finding(finding: Finding) -> None:
    from concertmaster.cli.console import put, styled

    line = styled(f"  {finding.severity:<9}  ", _STYLES[finding.severity])
    line.append(_one_line(f"{finding.kind} {finding.id}"), "bold")
    line.append(f"  {finding.code}", "dim")
    put(line)
    for text in _wrapped(f"{finding.what}{_since(finding.since)}"):
        put(styled(text))
    for text in _wrapped(f"mend: {finding.mend}"):
        put(styled(text, "dim"))
    if finding.command is not None:
        # Whole, however long it is: it is there to be copied.
        put(styled(f"    {_one_line(finding.command)}", "cyan"))


def _one_line(text: str) -> str:
    """Return text that shows what is invisible in it: an id must not look like another finding."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _since(stored: str | None) -> str:
    from concertmaster.cli.queue import age

    try:
        return f" Since {stored[:16].replace('T', ' ')} UTC ({age(stored)})." if stored else ""
    except (ValueError, TypeError):
        return ""  # Somebody wrote into the row what is no moment.


def _wrapped(text: str) -> list[str]:
    import textwrap

    from concertmaster.cli.console import out, safe

    return textwrap.wrap(
        safe(text),
        width=min(out().width, _WIDEST),
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
