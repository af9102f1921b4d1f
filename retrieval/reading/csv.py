"""Tables of comma-separated values, and their relatives with tabs, semicolons or bars."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice

from concertmaster.contracts import plain_text
from concertmaster.retrieval.reading.decoding import decode
from concertmaster.retrieval.reading.reading import Part, Reading, Unreadable
from concertmaster.retrieval.reading.rows import header_of, line_of

__all__ = ["read"]

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 50
_FORMULA = ("=", "@", "+", "-")
_Numbered = tuple[int, list[str]]


def read(content: bytes) -> Reading:
    """Read each row as one line with the names of its columns; rows count as in a spreadsheet.

    The first row is number 1, the header included. Formulas stay the text that they are.

    Raises:
        Unreadable: there are no rows, or more text than a document may have.
    """
    text, note = decode(content)
    text = plain_text(text)
    notes = [note] if note else []
    delimiter = _delimiter(text)
    try:
        rows = list(_rows(text, delimiter))
    except csv.Error:
        rows = list(_line_by_line(text, delimiter))
        told = f"unbalanced quotes or a cell of more than {csv.field_size_limit():,} characters"
        notes.append(f"has {told}; each line was read as a row of its own")
    if not rows:
        raise Unreadable("has no rows")
    header = header_of([cells for _, cells in rows])
    if header is not None:
        uneven = sum(len(cells) != len(header) for _, cells in rows)
        if uneven:
            notes.append(f"{uneven} rows have more or fewer cells than the header")
    formulas = sum(_is_formula(cell) for _, cells in rows for cell in cells)
    if formulas:
        notes.append(f"{formulas} cells hold formulas; they were kept as text")
    body = rows[1:] if header else rows
    parts = (Part(line_of(header, cells), "row", number, close=True) for number, cells in body)
    return Reading.of(parts, notes=notes)


def _rows(text: str, delimiter: str) -> Iterator[_Numbered]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for number, cells in enumerate(reader, start=1):
        if any(cell.strip() for cell in cells):
            yield number, cells


def _line_by_line(text: str, delimiter: str) -> Iterator[_Numbered]:
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            found = list(_rows(line, delimiter))
            cells = found[0][1] if found else []
        except csv.Error:
            cells = [cell.strip().strip('"') for cell in line.split(delimiter)]
        if any(cell.strip() for cell in cells):
            yield number, cells


def _delimiter(text: str) -> str:
    """Return what divides the first rows into the same number of cells, and into the most."""
    sample = "".join(islice(_lines(text), _SAMPLE))

    def even(delimiter: str) -> tuple[float, int]:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        try:
            widths = [len(cells) for cells in reader if cells]
        except csv.Error:
            return 0.0, 0
        usual = max(set(widths), key=widths.count, default=0)
        return (widths.count(usual) / len(widths), usual) if usual > 1 else (0.0, 0)

    return max(_DELIMITERS, key=even)


def _lines(text: str) -> Iterator[str]:
    return (line for line in io.StringIO(text[: 2**18]) if line.strip())


def _is_formula(cell: str) -> bool:
    bare = cell.lstrip()
    return bare.startswith(_FORMULA) and _calls(bare)


def _calls(cell: str) -> bool:
    """Tell a formula from a number with its sign, or a dash."""
    return cell[0] in "=@" or ("(" in cell and any(c.isalpha() for c in cell))
