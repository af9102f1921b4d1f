"""All commands under one name. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from concertmaster.cli import (
    approvals,
    audit,
    budgets,
    feedback,
    intents,
    models,
    policy,
    runs,
    threads,
    tools,
    users,
)
from concertmaster.cli import backup as backups
from concertmaster.cli import chat as chats
from concertmaster.cli import check as checks
from concertmaster.cli import demo as demos
from concertmaster.cli import doctor as doctors
from concertmaster.cli import evaluate as evaluates
from concertmaster.cli import graph as graphs
from concertmaster.cli import ingest as ingests
from concertmaster.cli import init as inits
from concertmaster.cli import mcp as mcps
from concertmaster.cli import prune as prunes
from concertmaster.cli import report as reports
from concertmaster.cli import run as single_runs
from concertmaster.cli import schema as schemas
from concertmaster.cli import serve as serves
from concertmaster.cli import version as versions
from concertmaster.cli.failures import EXIT_CODES, CommandGroup

__all__ = ["app"]

_START, _WORK, _LOOK, _KEEP = "Start", "Work", "Look", "Keep"

# The first character keeps the line breaks that follow.
_EPILOG = "\b\nExit codes\n" + "\n".join(f"{n:>3}  {what}" for n, what in EXIT_CODES.items())

app = typer.Typer(
    cls=CommandGroup,
    name="concertmaster",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from concertmaster import __version__

        typer.echo(f"concertmaster {__version__}")
        raise typer.Exit


@app.callback()
def concertmaster(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Governed agents: a desk answers, policies decide, people approve, a trail explains."""


_COMMANDS = (
    (_START, demos.demo, demos.EXAMPLE),
    (_START, inits.init, inits.EXAMPLE),
    (_START, checks.check, checks.EXAMPLE),
    (_START, schemas.schema, schemas.EXAMPLE),
    (_WORK, ingests.ingest, ingests.EXAMPLE),
    (_WORK, single_runs.run, single_runs.EXAMPLE),
    (_WORK, chats.chat, chats.EXAMPLE),
    (_WORK, serves.serve, serves.EXAMPLE),
    (_WORK, mcps.mcp, mcps.EXAMPLE),
    (_LOOK, evaluates.evaluate, evaluates.EXAMPLE),
    (_LOOK, graphs.graph, graphs.EXAMPLE),
    (_LOOK, doctors.doctor, doctors.EXAMPLE),
    (_LOOK, reports.report, reports.EXAMPLE),
    (_KEEP, backups.backup, backups.EXAMPLE),
    (_KEEP, backups.restore, backups.RESTORE),
    (_KEEP, prunes.prune, prunes.EXAMPLE),
    (_KEEP, versions.version, versions.EXAMPLE),
)
_GROUPS = (
    (_START, policy.app, "policy"),
    (_START, intents.app, "intents"),
    (_START, models.app, "models"),
    (_START, tools.app, "tools"),
    (_WORK, approvals.app, "approvals"),
    (_WORK, budgets.app, "budgets"),
    (_WORK, feedback.app, "feedback"),
    (_WORK, users.app, "users"),
    (_LOOK, threads.app, "threads"),
    (_LOOK, runs.app, "runs"),
    (_LOOK, audit.app, "audit"),
)

for _panel, _command, _example in _COMMANDS:
    app.command(epilog=_example, rich_help_panel=_panel)(_command)
for _panel, _group, _name in _GROUPS:
    app.add_typer(_group, name=_name, rich_help_panel=_panel)
