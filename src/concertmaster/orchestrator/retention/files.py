"""Large results: files beside the database, and which of them nothing names any more.

A file whose last row went is entered in `retired_files` in the transaction that removed the row,
so that a crash before the file is removed leaves nothing behind that is not found again.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from concertmaster.orchestrator.remains import references
from concertmaster.orchestrator.retention.finding import Doomed, Term
from concertmaster.orchestrator.retention.needed import needed_runs, needed_threads
from concertmaster.storage import Migration

__all__ = [
    "MIGRATIONS",
    "due_files",
    "forget_files",
    "needed_files",
    "remove_files",
    "retire_files",
    "unnamed",
]

# Room names sort: these come after the tables that they index.
MIGRATIONS = (
    Migration(
        "runs.retention",
        1,
        """
        CREATE TABLE retired_files (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
        CREATE INDEX threads_by_updated ON threads (updated, id);
        CREATE INDEX approvals_by_thread ON approvals (thread)
        """,
    ),
)

_SETTLING = 60.0
"""Seconds for which a file that was just returned again may be on its way into a row."""


def retire_files(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Enter files that rows named which are removed in this transaction."""
    connection.executemany(
        "INSERT OR IGNORE INTO retired_files (name) VALUES (?)", [(name,) for name in names]
    )


def forget_files(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Take out again what was looked at."""
    connection.execute(
        "DELETE FROM retired_files WHERE name IN (SELECT value FROM json_each(?))",
        (json.dumps(list(names)),),
    )


def unnamed(database: Path, names: Iterable[str]) -> frozenset[str]:
    """Return which of these files no row names. Reads the whole database, on its own connection."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as reader:
        reader.row_factory = sqlite3.Row
        return frozenset(names) - references(reader)


def needed_files(connection: sqlite3.Connection) -> frozenset[str]:
    """Return which files the rows of needed runs and threads name."""
    threads, runs = needed_threads(connection), needed_runs(connection)
    return references(connection, threads, runs) if threads or runs else frozenset()


def due_files(folder: Path, term: Term, needed: Iterable[str]) -> tuple[list[Doomed], Counter[str]]:
    """Return which files are too old or too many, the ones that were returned last kept."""
    known = sorted(((f.stat().st_mtime, f) for f in folder.glob("??/*.json")), reverse=True)
    bound = term.moment.timestamp() if term.moment else 0.0
    stay = frozenset(needed)
    doomed, kept = [], Counter[str]()
    for place, (moment, file) in enumerate(known):
        old = moment < bound
        if not old and (term.most is None or place < term.most):
            continue
        if file.stem in stay:
            kept["a run that is not over rests on it"] += 1
            continue
        doomed.append(Doomed(key=file, rule=term.rule(old=old), bytes=file.stat().st_size))
    return doomed, kept


def remove_files(files: Iterable[Path], before: float | None = None) -> tuple[int, int]:
    """Remove files unless they were returned again; return how many went, and their bytes."""
    bound = time.time() - _SETTLING if before is None else before
    number = size = 0
    for file in files:
        try:
            known = file.stat()
            if known.st_mtime < bound:
                file.unlink()
                number, size = number + 1, size + known.st_size
        except FileNotFoundError:
            continue
    return number, size
