"""Cedar text cut into single statements, so that every problem has its file and line.

Cedar's parser tells no positions. It also recurses over nested brackets without a bound and
takes the process down with it, so the bounds are kept here, before it sees any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Problem", "Statement", "split"]

MAX_LENGTH = 32_000
MAX_NESTING = 50
MAX_BRANCHES = 100

_TOKEN = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"?|\s+|\w+|.', re.S)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that keeps policies from being used: where it stands, and what it is.

    Lines and columns count from 1; without a column the finding is about the whole statement.
    """

    file: str
    line: int
    message: str
    column: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One `permit` or `forbid` with its annotations; `line` and `column` are where it begins."""

    file: str
    line: int
    text: str
    column: int = 1

    def place(self, offset: int) -> tuple[int, int]:
        """Return the line and column of a position in the text."""
        before = self.text[:offset]
        down = before.count("\n")
        across = len(before) - (before.rfind("\n") + 1)
        return self.line + down, across + (1 if down else self.column)

    def problem(self, message: str, *, near: str | None = None) -> Problem:
        """Return a problem of this statement, at the first line that has the word `near`."""
        found = re.search(rf"(?<!\w){re.escape(near)}(?!\w)", self.text) if near else None
        if found is None:
            return Problem(file=self.file, line=self.line, message=message)
        line, column = self.place(found.start())
        return Problem(file=self.file, line=line, column=column, message=message)


def split(file: str, text: str) -> Iterator[Statement | Problem]:
    """Yield each statement of a Cedar file; in place of one that is out of bounds, a problem."""
    begin: int | None = None
    depth = deepest = branches = 0
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word.isspace() or word.startswith("//"):
            continue
        if begin is None:
            begin = token.start()
        if word in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif word in ")]}":
            depth -= 1
        elif word == "if":
            branches += 1
        elif word == ";":
            yield _bounded(_cut(file, text, begin, token.end()), deepest, branches)
            begin, depth, deepest, branches = None, 0, 0, 0
    if begin is not None:
        yield _bounded(_cut(file, text, begin, len(text)), deepest, branches)


def _cut(file: str, text: str, begin: int, end: int) -> Statement:
    line = text.count("\n", 0, begin) + 1
    column = begin - text.rfind("\n", 0, begin)
    return Statement(file=file, line=line, column=column, text=text[begin:end].rstrip())


def _bounded(statement: Statement, deepest: int, branches: int) -> Statement | Problem:
    if len(statement.text) > MAX_LENGTH:
        return statement.problem(f"a policy has at most {MAX_LENGTH} characters; split it")
    if deepest > MAX_NESTING:
        return statement.problem(f"brackets nest deeper than {MAX_NESTING} levels; simplify it")
    if branches > MAX_BRANCHES:
        return statement.problem(f"more than {MAX_BRANCHES} `if`s in one policy; split it")
    return statement
