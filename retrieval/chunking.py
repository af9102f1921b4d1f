"""Cutting a text into passages of 400 to 900 characters at headings, blocks and sentences."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from concertmaster.retrieval.sentences import Unit, units

__all__ = ["CHUNKING", "LONGEST", "Chunk", "chunks"]

CHUNKING = 1
"""The version of the way texts are cut; an index cut another way is cut again."""

LONGEST = 900
_SHORTEST = 400


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: `text[start:end]` of its document, under the headings named by `section`."""

    start: int
    end: int
    section: str


@dataclass(frozen=True, slots=True)
class _Atom:
    """What is never cut: a heading, a short block, a sentence, or a piece of a long one."""

    start: int
    end: int
    heading: bool
    section: str


def chunks(text: str, breaks: Sequence[int] = ()) -> list[Chunk]:
    """Cut a text; the passages are in order, do not overlap and leave out nothing but space.

    A passage is at most 900 characters. It is shorter than 400 only where the text ends or where
    its neighbours are full. A heading stays with what follows it. `breaks` are offsets, such as
    where pages begin, at which a passage ends if it is long enough.
    """
    parts = _Breaks(breaks)
    found: list[list[_Atom]] = []
    current: list[_Atom] = []
    for atom in _atoms(text):
        if current and (_must_close(current, atom) or _may_close(current, atom, parts)):
            kept, carried = _without_trailing_headings(current, atom)
            found.append(kept)
            current = carried
        current.append(atom)
    if current:
        if found and len(_span(current)) < _SHORTEST and _fits(found[-1], current[-1]):
            found[-1].extend(current)
        else:
            found.append(current)
    return [_chunk(atoms) for atoms in found]


def _must_close(current: list[_Atom], atom: _Atom) -> bool:
    if not _fits(current, atom):
        return True
    return atom.heading and len(_span(current)) >= _SHORTEST and not current[-1].heading


def _may_close(current: list[_Atom], atom: _Atom, breaks: _Breaks) -> bool:
    long_enough = len(_span(current)) >= _SHORTEST and not current[-1].heading
    return long_enough and breaks.between(current[-1].start, atom.start)


class _Breaks:
    """Offsets at which a passage should end."""

    def __init__(self, offsets: Sequence[int]) -> None:
        self._offsets = sorted(offsets)

    def between(self, start: int, end: int) -> bool:
        """Tell whether one lies behind `start`, up to `end`."""
        return bisect_right(self._offsets, start) != bisect_right(self._offsets, end)


def _fits(current: list[_Atom], atom: _Atom) -> bool:
    return atom.end - current[0].start <= LONGEST


def _span(atoms: list[_Atom]) -> range:
    return range(atoms[0].start, atoms[-1].end)


def _without_trailing_headings(
    current: list[_Atom], following: _Atom
) -> tuple[list[_Atom], list[_Atom]]:
    """Move headings at the end to the next passage, where what they head begins."""
    cut = len(current)
    while cut and current[cut - 1].heading:
        cut -= 1
    if cut == 0 or not _fits(current[cut:] or [following], following):
        return current, []
    return current[:cut], current[cut:]


def _chunk(atoms: list[_Atom]) -> Chunk:
    body = next((a for a in atoms if not a.heading), atoms[-1])
    return Chunk(atoms[0].start, atoms[-1].end, body.section)


def _atoms(text: str) -> Iterator[_Atom]:
    path: list[tuple[int, str]] = []
    for block in _blocks(text):
        first, last = block[0], block[-1]
        if first.kind == "heading":
            path = [entry for entry in path if entry[0] < first.level]
            path.append((first.level, text[first.start : first.end]))
        section = " > ".join(title for _, title in path)
        heading = first.kind in ("heading", "header")
        if last.end - first.block <= LONGEST:
            yield _Atom(first.block, last.end, heading, section)
            continue
        for number, unit in enumerate(block):
            start = unit.start if number else unit.block
            for begin, end in _pieces(text, start, unit.end):
                yield _Atom(begin, end, heading, section)


def _blocks(text: str) -> Iterator[list[Unit]]:
    block: list[Unit] = []
    for unit in units(text):
        if block and unit.block != block[0].block:
            yield block
            block = []
        block.append(unit)
    if block:
        yield block


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a span that is longer than a passage at its last space before the limit, or hard."""
    while end - start > LONGEST:
        limit = start + LONGEST
        cut = max(text.rfind(" ", start, limit), text.rfind("\n", start, limit))
        if cut <= start + LONGEST // 2:
            cut = limit
        piece = text[start:cut]
        yield start, start + len(piece.rstrip())
        start = cut + len(text[cut:end]) - len(text[cut:end].lstrip())
    if end > start:
        yield start, end
