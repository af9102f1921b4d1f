"""`concertmaster budgets`: what is left, and granting more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertmaster.cli.failures import CommandGroup
from concertmaster.cli.options import Draft, HomeDir, Json, Who, WorkspaceDir

if TYPE_CHECKING:
    from rich.table import Table

    from concertmaster.policies.spending import Account

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="What budgets leave for somebody, and granting more.",
)

_Thread = Annotated[str, typer.Option("--thread", help="A thread, for budgets per thread.")]
_Run = Annotated[str, typer.Option("--run", help="A run, for budgets per run.")]
_LIST = "Example: concertmaster budgets list my-desk --as ana"
_GRANT = "Example: concertmaster budgets grant my-desk day 20000 --to ana --as olga --reason '…'"


@app.command("list", epilog=_LIST)
def list_(
    workspace: WorkspaceDir,
    *,
    who: Who,
    thread: _Thread = "",
    run: _Run = "",
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """List what each budget leaves for somebody now."""
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.cli.desks import opened_desk, run_async

    async def work() -> tuple[Account, ...]:
        from concertmaster.orchestrator.granting import accounts

        async with opened_desk(workspace, home=home, draft=draft, recover=False) as desk:
            return await accounts(desk, who, thread=thread, run=run)

    found = run_async(work)
    if as_json:
        print_json([_plain(account) for account in found])
    elif not found:
        note("no budget counts here; workflow.yaml declares them under `budgets`")
    else:
        put(_table(found))


@app.command(epilog=_GRANT)
def grant(
    workspace: WorkspaceDir,
    budget: Annotated[str, typer.Argument(help="The id of the budget.")],
    amount: Annotated[float, typer.Argument(help="How much more, in what the budget counts.")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="PRINCIPAL", help="Who gets it.")],
    who: Who,
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes into the trail.")],
    thread: _Thread = "",
    run: _Run = "",
    home: HomeDir = None,
    draft: Draft = False,
    as_json: Json = False,
) -> None:
    """Let somebody go beyond a budget, until its present window ends.

    Somebody with the role of the budget's owner may, or of the workflow's where it has none, and
    nobody for themselves.
    """
    from concertmaster.cli.console import note, print_json
    from concertmaster.cli.desks import opened_desk, run_async

    async def work() -> Account:
        from concertmaster.orchestrator.granting import grant as granted

        async with opened_desk(workspace, home=home, draft=draft, recover=False) as desk:
            return await granted(
                desk, budget, amount, to=to, principal=who, reason=reason, thread=thread, run=run
            )

    account = run_async(work)
    if as_json:
        print_json(_plain(account))
    else:
        note(f"{to} has {account.left:.6g} left of the budget {budget}")


def _table(found: Sequence[Account]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("budget", "of", "per", "window"):
        table.add_column(name)
    for name in ("spent", "left"):
        table.add_column(name, justify="right")
    table.add_column("at the limit")
    for account in found:
        spec = account.spec
        table.add_row(
            spec.id,
            spec.of.replace("_", " "),
            spec.per,
            account.window or "–",
            f"{account.taken:.6g}",
            f"{account.left:.6g}",
            spec.at_limit.replace("_", " "),
        )
    return table


def _plain(account: Account) -> dict[str, Any]:
    return {
        "budget": account.spec.id,
        "of": account.spec.of,
        "per": account.spec.per,
        "window": account.window,
        "spent": account.taken,
        "left": account.left,
        "at_limit": account.spec.at_limit,
    }
