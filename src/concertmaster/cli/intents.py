"""`concertmaster intents`: train the classifier, measure it, name what it mixes up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertmaster.cli.options import HomeDir, Json, WorkspaceDir

if TYPE_CHECKING:
    from concertmaster.models.intent_trials import Trial

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="How messages are read: train the classifier, measure it, name what it mixes up.",
)

_Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="Labelled messages: JSON lines of text and intent (null: out of scope),"
        " or a golden.jsonl.",
    ),
]
_Folds = Annotated[int, typer.Option("--folds", min=2, max=20, help="Parts to divide into.")]


@app.command(epilog="Example: concertmaster intents train examples/support_desk")
def train(
    workspace: WorkspaceDir, data: _Data = None, home: HomeDir = None, as_json: Json = False
) -> None:
    """Train the classifier now and store it in the home.

    A desk does so by itself when the utterances have changed. With --data, the threshold of
    scope, the probabilities and the margin for questions are set on these messages, until the
    utterances change again.
    """
    from concertmaster.cli.console import print_json, put
    from concertmaster.cli.desks import run_async
    from concertmaster.cli.intents_work import trained

    made = run_async(lambda: trained(workspace, data, home and home.expanduser()))
    if as_json:
        print_json(made)
        return
    put(
        f"{made['intents']} intents learned from {made['utterances']} utterances in"
        f" {made['seconds']:.1f} s ({made['bytes'] / 1e6:.1f} MB)"
    )
    put(f"asks which is meant when the first leads by less than {made['margin']:.2f}")


@app.command(epilog="Example: concertmaster intents evaluate examples/support_desk")
def evaluate(
    workspace: WorkspaceDir, data: _Data = None, folds: _Folds = 5, as_json: Json = False
) -> None:
    """Measure how well intents are told apart.

    On the workspace's own utterances by cross-validation, or with --data on messages that the
    classifier was not trained on: an utterance that is among them is left out. Nothing is stored.
    """
    from concertmaster.cli.console import print_json
    from concertmaster.cli.intents_shown import as_plain, show_figures

    trial = _trial(workspace, data, folds)
    if as_json:
        print_json(as_plain(trial))
    else:
        show_figures(trial, by_data=data is not None)


@app.command(epilog="Example: concertmaster intents confusions examples/support_desk")
def confusions(
    workspace: WorkspaceDir, data: _Data = None, folds: _Folds = 5, as_json: Json = False
) -> None:
    """Name the intents that are mixed up, with examples and what to do about them."""
    from concertmaster.cli.console import print_json
    from concertmaster.cli.intents_shown import as_plain, show_confusions

    trial = _trial(workspace, data, folds)
    if as_json:
        print_json(as_plain(trial)["confusions"])
    else:
        show_confusions(trial)


def _trial(workspace: Path, data: Path | None, folds: int) -> Trial:
    from concertmaster.cli.intents_work import measured

    return measured(workspace, data, folds)
