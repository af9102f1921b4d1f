"""Models, rankings and trials for people, at 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["listed", "show_ranking", "tested"]


def listed(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of models and what they lack."""
    table = _table("name", "use", "tier", "cleared for", "region", "price", "lacks")
    for row in rows:
        _add(
            table,
            row["name"],
            row["use"],
            row["tier"],
            row["clearance"],
            row["region"] or "",
            _price(row["price"]),
            row["lacks"] or "",
            style="" if row["lacks"] is None else "yellow",
        )
    return table


def show_ranking(found: Mapping[str, Any]) -> None:
    """Print what a step needs, the models that fit, best first, and why the others do not."""
    from concertmaster.cli.console import note, put

    needs = found["needs"]
    put(
        f"{found['step']} needs {needs['ability']}: tier {needs['tier']} or better, cleared for"
        f" {needs['clearance']} data, and prefers {needs['prefer']}"
    )
    if needs["regions"]:
        put(f"in {' or '.join(needs['regions'])}, or on this machine")
    for rule in found["rules"]:
        put(f"under the rule {rule}")
    if found["fitting"]:
        put(_ranked(found["fitting"]))
        note(f"for {needs['tokens']} tokens of prompt and {needs['output']} of answer")
    else:
        put(found["why"] if not found["passed_over"] else "no model fits")
    for name, why in found["passed_over"].items():
        put(f"passed over: {name} {why}")


def tested(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of how models did."""
    table = _table("name", "answers", "seconds", "cost", "structured", "why")
    words = {None: "", True: "yes", False: "no"}
    for row in rows:
        seconds, cost = row.get("seconds"), row.get("cost")
        _add(
            table,
            row["name"],
            words[row["answers"]],
            "" if seconds is None else f"{seconds:.2f}",
            "" if cost is None else f"{cost:.6f}",
            words[row["structured"]],
            row["why"] or "",
            style="" if row["answers"] else "red",
        )
    return table


def _ranked(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("", "name", "tier", "cost (USD)", "latency", "score")
    for number, row in enumerate(rows, 1):
        cost, latency = row["cost"], row["latency"]
        _add(
            table,
            str(number),
            row["name"],
            row["tier"],
            "unknown" if cost is None else f"{cost:.6f}",
            "unknown" if latency is None else f"{latency:.1f} s",
            f"{row['score']:.3f}",
        )
    return table


def _price(price: Mapping[str, Any] | None) -> str:
    if price is None:
        return "unknown"
    return f"{price['input']:g}/{price['output']:g}"


def _table(*titles: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _add(table: Table, *cells: str, style: str = "") -> None:
    from concertmaster.cli.console import styled

    table.add_row(*(styled(cell, style) for cell in cells))
