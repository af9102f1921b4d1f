"""`concertmaster models`: what is declared, which one a step gets and why, whether they answer."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from concertmaster.cli.failures import FINDINGS, CommandGroup
from concertmaster.cli.options import Json, WorkspaceDir

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Which models there are, which one a step gets and why, whether they answer.",
)

_Step = Annotated[str, typer.Argument(metavar="STEP", help="A step that needs a model.")]
_Risk = Annotated[
    Literal["low", "normal", "high"] | None,
    typer.Option("--risk", help="As if the intent declared this risk."),
]
_Tokens = Annotated[
    int | None, typer.Option("--tokens", min=0, help="As if the prompt had so many tokens.")
]
_Level = Annotated[
    Literal["public", "internal", "restricted"] | None,
    typer.Option("--confidentiality", help="As if the prompt held data of this level."),
]
_As = Annotated[
    str | None,
    typer.Option("--as", metavar="PRINCIPAL", help="On whose behalf: an id of principals.yaml."),
]
_Intent = Annotated[str | None, typer.Option("--intent", help="As if the message had this intent.")]
_Only = Annotated[str | None, typer.Option("--only", metavar="NAME", help="Only this model.")]
_Seconds = Annotated[
    float, typer.Option("--seconds", min=0.1, max=600, help="For each question at most.")
]


@app.command("list", epilog="Example: concertmaster models list examples/support_desk")
def list_(workspace: WorkspaceDir, as_json: Json = False) -> None:
    """List the models that models.yaml declares, and what each of them lacks.

    Nothing is asked. A price is known if it is declared or stands in the price list.
    """
    from concertmaster.cli.console import note, print_json, put
    from concertmaster.cli.models_shown import listed
    from concertmaster.cli.models_work import rows

    found = rows(workspace)
    if as_json:
        print_json(found)
    elif not found:
        note(f"{workspace} declares no model; models.yaml is where to")
    else:
        put(listed(found))


@app.command(epilog="Example: concertmaster models explain my-desk responder --risk high")
def explain(
    workspace: WorkspaceDir,
    step: _Step,
    *,
    risk: _Risk = None,
    tokens: _Tokens = None,
    confidentiality: _Level = None,
    who: _As = None,
    intent: _Intent = None,
    as_json: Json = False,
) -> None:
    """Tell which model a step would be given, in which order the others follow, and why.

    As declared, with the rules: what has been measured, what rests and what budgets leave is
    known to a running desk only. Exits with 1 if no model fits.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.models_shown import show_ranking
    from concertmaster.cli.models_work import Supposed, explained

    supposed = Supposed(
        risk=risk, tokens=tokens, confidentiality=confidentiality, principal=who, intent=intent
    )
    found = explained(workspace, step, supposed)
    if as_json:
        print_json(found)
    else:
        show_ranking(found)
    raise typer.Exit(0 if found["fitting"] else FINDINGS)


@app.command("test", epilog="Example: concertmaster models test my-desk --only local")
def try_(
    workspace: WorkspaceDir, *, only: _Only = None, seconds: _Seconds = 30.0, as_json: Json = False
) -> None:
    """Ask each model two small questions: one in words, one whose answer must fit a schema.

    This costs a few tokens for each. Exits with 1 if a model does not answer.
    """
    from concertmaster.cli.console import print_json, put
    from concertmaster.cli.desks import run_async
    from concertmaster.cli.models_shown import tested
    from concertmaster.cli.models_work import tried

    found = run_async(lambda: tried(workspace, only, seconds))
    if as_json:
        print_json(found)
    else:
        put(tested(found))
    raise typer.Exit(0 if all(row["answers"] for row in found) else FINDINGS)
