"""Rows of a table as lines that can be understood, and cited, one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import mode

__all__ = ["header_of", "line_of"]

_NUMBER = re.compile(r"[-+(]?[^\w\s]?\s?\d[\d.,'\s]*\)?\s?[^\w\s]?")


def header_of(rows: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    """Return the first row if it names the columns.

    It does if it is as wide as most others, and its cells are filled, different and no numbers.
    """
    if len(rows) < 2 or len(rows[0]) < mode(len(row) for row in rows[1:]):
        return None
    cells = tuple(" ".join(cell.split()) for cell in rows[0])
    named = all(cells) and len({c.casefold() for c in cells}) == len(cells)
    return cells if named and not any(_NUMBER.fullmatch(cell) for cell in cells) else None


def line_of(header: Sequence[str] | None, cells: Sequence[str]) -> str:
    """Return a row as one list item, each cell behind the name of its column; empty ones go.

    >>> line_of(("Card", "Fee"), ("Gold", "12"))
    '- Card: Gold; Fee: 12'
    """
    told = []
    for number, cell in enumerate(cells):
        text = " ".join(cell.split())
        if not text:
            continue
        if header is None:
            told.append(text)
        else:
            name = header[number] if number < len(header) else f"column {number + 1}"
            told.append(f"{name}: {text}")
    return f"- {'; '.join(told)}" if told else ""
