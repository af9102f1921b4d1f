"""`concertmaster policy`: check policies, explain decisions, run tables, replay past calls."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli import policy_replay
from concertmaster.cli.failures import FINDINGS
from concertmaster.cli.options import HomeDir, Json

if TYPE_CHECKING:
    from concertmaster.cli.tables import Ran

__all__ = ["app"]

_Folder = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", help="A workspace, or a folder of *.cedar files."),
]
_Tools = Annotated[
    str | None,
    typer.Option(
        "--tools",
        metavar="MODULE",
        help="The tools of a bare folder of policies: a file, a folder or a module's name.",
    ),
]

app = typer.Typer(no_args_is_help=True, help="Check, explain and test policies.")


@app.command(epilog="Example: concertmaster policy check examples/support_desk")
def check(
    folder: _Folder,
    tools: _Tools = None,
    as_json: Json = False,
) -> None:
    """List everything that is wrong or ineffective in policies, with its place.

    Exits with 1 if there are errors; warnings alone leave it at 0.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.policies import checked
    from concertmaster.cli.policy_views import checked_json, show_checked

    report = checked(folder, tools)
    if as_json:
        print_json(checked_json(report))
    else:
        show_checked(report)
    raise typer.Exit(FINDINGS if report.errors else 0)


@app.command(epilog="Example: concertmaster policy explain examples/support_desk --call call.json")
def explain(
    *,
    folder: _Folder,
    call: Annotated[
        str,
        typer.Option(metavar="FILE|-|JSON", help="The call: a file, - for standard input, JSON."),
    ],
    tools: _Tools = None,
    resolve: Annotated[
        bool,
        typer.Option("--resolve", help="Look the facts up with the workspace's own resolver."),
    ] = False,
    home: HomeDir = None,
    as_json: Json = False,
) -> None:
    """Tell how a call is decided, by which rules, and why the others did not match.

    The call is a JSON object with tool, arguments and principal, and where they matter facts,
    said, results, history, label, intent and step. Exits with 0 whatever is decided.
    """
    from concertmaster.cli.calls import read_call, resolved
    from concertmaster.cli.console import print_json
    from concertmaster.cli.explained import explained_json, show_explained
    from concertmaster.cli.policies import opened
    from concertmaster.policies.trials import explain as explanation_of

    place = opened(folder, tools)
    case, facts_error = read_call(call), None
    if resolve:
        case, facts_error = asyncio.run(resolved(case, place, home))
    found = explanation_of(case, place.setting, facts_error=facts_error)
    if as_json:
        print_json(explained_json(case, found, place.setting))
    else:
        show_explained(case, found, place.setting)


@app.command("test", epilog="Example: concertmaster policy test examples/support_desk -k refund")
def run_tests(
    *,
    folder: _Folder,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Tables; all of policies/ without any."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("-k", metavar="NAME", help="Only rows whose name holds these words."),
    ] = None,
    tools: _Tools = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Fail for policies that decide no row, and for remarks."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run tables of calls with the decisions that the policies must give.

    Exits with 1 if a row fails or a table cannot be read.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.policies import opened
    from concertmaster.cli.policy_views import ran_json, show_ran
    from concertmaster.cli.tables import run_tables

    ran: Ran = run_tables(opened(folder, tools), files or [], name)
    if as_json:
        print_json(ran_json(ran, strict=strict))
    else:
        show_ran(ran, strict=strict)
    raise typer.Exit(0 if ran.sound(strict=strict) else FINDINGS)


app.command("replay", epilog=policy_replay.EXAMPLE)(policy_replay.replay)
