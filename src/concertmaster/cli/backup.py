"""`concertmaster backup`: a consistent copy of a home directory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from concertmaster.cli.options import Json

__all__ = ["backup"]

EXAMPLE = "Example: concertmaster backup examples/support_desk ~/backups/support_desk-monday"


def backup(
    source: Annotated[
        Path, typer.Argument(metavar="HOME_OR_WORKSPACE", help="A home directory or a workspace.")
    ],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A folder that does not exist.")],
    private_key: Annotated[
        bool, typer.Option("--private-key", help="Copy the key that signs the trail, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy a home directory while nobody works in it.

    Database, index, the tools' data, large results, classifier, signed heads, public keys: all of
    one moment. A target that exists is never written to.
    """
    import shlex

    from concertmaster.cli.console import note, print_json, put
    from concertmaster.cli.places import chosen_homes
    from concertmaster.orchestrator.backup import back_up
    from concertmaster.orchestrator.home import DATABASE

    is_home = (source.expanduser() / DATABASE).is_file()
    home = source.expanduser() if is_home else chosen_homes(None, source)[0]
    made = asyncio.run(back_up(home, target.expanduser(), private_key=private_key))
    if as_json:
        print_json({"home": str(home), "target": str(made.target), "bytes": made.size})
        return
    put(f"{home} copied to {made.target} ({made.size / 2**20:.1f} MB)")
    note(
        "To restore it, stop what works in the home, then:\n"
        f"  mv {shlex.quote(str(home))} {shlex.quote(str(home) + '.old')}\n"
        f"  cp -a {shlex.quote(str(made.target))} {shlex.quote(str(home))}"
    )
