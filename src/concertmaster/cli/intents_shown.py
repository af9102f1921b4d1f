"""Figures and confusions of a trial of intents, for people at 80 columns and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concertmaster.models.intent_trials import Confusion, Trial

__all__ = ["as_plain", "show_confusions", "show_figures"]

_OUTSIDE = "out of scope"
_SHOWN = 10
_EXAMPLES = 3
_OFTEN = 2


def as_plain(trial: Trial) -> dict[str, Any]:
    """Return the trial as plain data."""
    return {
        "messages": len(trial.rows),
        "accuracy": trial.accuracy,
        "out_of_scope_recall": trial.out_of_scope_recall,
        "calibration_error": trial.calibration_error,
        "intents": [
            {"intent": name, "messages": count, "right": right, "others_read_as_it": others}
            for name, count, right, others in trial.intents()
        ],
        "confusions": [
            {
                "wanted": c.wanted,
                "read": c.read,
                "count": len(c.texts),
                "texts": list(c.texts),
                "suggestion": _suggestion(c),
            }
            for c in trial.confusions()
        ],
    }


def show_figures(trial: Trial, *, by_data: bool) -> None:
    """Print the figures and a line an intent, the weakest first."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from concertmaster.cli.console import note, put, styled

    how = "messages of the file" if by_data else "utterances, each judged by a model without it"
    put(f"{len(trial.rows)} {how}")
    put(f"accuracy             {_percent(trial.accuracy)}  (refused counts as wrong)")
    if trial.out_of_scope_recall is not None:
        put(f"out of scope refused {_percent(trial.out_of_scope_recall)}")
    put(f"calibration error    {_percent(trial.calibration_error)}")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("intent", overflow="fold")
    for title in ("messages", "right", "others read as it"):
        table.add_column(title, justify="right")
    for name, count, right, others in sorted(trial.intents(), key=lambda i: (i[2] / i[1], i[0])):
        share = f"{right} ({right / count:.0%})"
        table.add_row(styled(name), str(count), share, str(others))
    put(table)
    if trial.confusions():
        note("`concertmaster intents confusions` shows what was mixed up")


def show_confusions(trial: Trial) -> None:
    """Print the commonest confusions with examples and a suggestion each."""
    from concertmaster.cli.console import note, put, styled

    found = trial.confusions()
    if not found:
        put("Nothing was mixed up.")
        return
    for confusion in found[:_SHOWN]:
        head = f"{confusion.wanted or _OUTSIDE} read as {confusion.read or _OUTSIDE}"
        put(styled(f"{head}: {len(confusion.texts)}", "bold"))
        for text in confusion.texts[:_EXAMPLES]:
            put(styled(f"  “{text[:70]}{'…' if len(text) > 70 else ''}”"))
        put(styled(f"  {_suggestion(confusion)}", "dim"))
    if len(found) > _SHOWN:
        note(f"and {len(found) - _SHOWN} more; --json lists all of them")


def _suggestion(confusion: Confusion) -> str:
    """Return what may help, in one line."""
    wanted, read = confusion.wanted, confusion.read
    if wanted is None:
        return f"add such messages under out_of_scope, and look at the utterances of {read}"
    if read is None:
        return f"add utterances like these to {wanted}"
    if len(confusion.texts) >= _OFTEN:
        return f"say what tells {wanted} from {read} in both, or make them one intent"
    return f"add utterances like this to {wanted}, or move it if it means {read}"


def _percent(share: float | None) -> str:
    return "    –" if share is None else f"{share:6.1%}"
