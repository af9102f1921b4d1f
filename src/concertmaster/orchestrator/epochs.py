"""The second copy of a home's epoch, beside its database: by it an older copy is noticed.

HOME/epoch holds the last epoch, the last sign of life in it, and the database file's number on its
disk. A database that knows less was put back; one with another number was copied, and may be as old
as it likes. What was done since the last sign of life, a few seconds at most, cannot be told apart.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EPOCH", "Epoch", "keep_epoch", "read_epoch"]

EPOCH = "epoch"

_LOG = logging.getLogger("concertmaster.orchestrator")


@dataclass(frozen=True)
class Epoch:
    """What the file says: the last epoch and beat, and which file the database was then."""

    number: int
    beat: int
    file: int

    def tells_older(self, epoch: int, beat: int, database: Path) -> bool:
        """Tell whether a database with this last epoch and beat is another or an older one."""
        return (epoch, beat) < (self.number, self.beat) or database.stat().st_ino != self.file


def read_epoch(home: Path) -> Epoch | None:
    """Return the epoch beside the database; None if there is none that can be read."""
    try:
        told = json.loads((home / EPOCH).read_bytes())
        return Epoch(int(told["epoch"]), int(told["beat"]), int(told["file"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        _LOG.warning("%s cannot be read (%s)", home / EPOCH, type(error).__name__)
        return None


def keep_epoch(home: Path, epoch: int, beat: int, database: Path) -> None:
    """Write epoch and beat durably, all at once; a disk that takes no more is logged, no more.

    They are written after the database has them: a crash in between leaves them behind, never
    ahead.
    """
    half = home / f".{EPOCH}.{os.getpid()}.{threading.get_ident()}"
    try:
        with half.open("w") as file:
            told = {"epoch": epoch, "beat": beat, "file": database.stat().st_ino}
            json.dump(told, file)
            file.flush()
            os.fsync(file.fileno())
        half.replace(home / EPOCH)
    except OSError as error:
        half.unlink(missing_ok=True)
        _LOG.warning("%s cannot be written: %s", home / EPOCH, error.strerror)
