"""Signs of life: a thread that renews a lease for as long as its holder works."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from concertmaster.orchestrator.epochs import keep_epoch
from concertmaster.orchestrator.lease import Lease, beat

__all__ = ["Heart"]

_LOG = logging.getLogger("concertmaster.orchestrator")
_BEATS = 3
"""Beats in the time after which silence counts."""


class Heart:
    """Renews a lease from a thread of its own, so that a busy event loop is not taken for dead.

    It also beats once after work that was shorter than its pause: a holder that comes and goes
    quickly is not silent.

    Args:
        path: the home's database.
        lost: told of an epoch that is over.
    """

    def __init__(self, path: Path, lost: Callable[[int], None]) -> None:
        self._path = path
        self._lost = lost
        self._change = threading.Condition()
        self._lease: Lease | None = None
        self._working = 0
        self._owed = False
        self._thread: threading.Thread | None = None

    def begin(self, lease: Lease) -> None:
        """Beat for this lease until `rest` was called as often."""
        with self._change:
            self._lease = lease
            self._working += 1
            self._owed = True
            if self._thread is None:
                name = "concertmaster-lease"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def rest(self) -> None:
        """End what `begin` began."""
        with self._change:
            self._working -= 1

    def stop(self) -> None:
        """Beat no more, and wait for a beat that is being written."""
        with self._change:
            thread, self._thread = self._thread, None
            self._change.notify_all()
        if thread is not None:
            thread.join(timeout=5)

    def _run(self) -> None:
        while (lease := self._due()) is not None:
            try:
                number = beat(self._path, lease.epoch)
                if number is None:
                    self._lost(lease.epoch)
                else:
                    keep_epoch(self._path.parent, lease.epoch, number, self._path)
            except (sqlite3.Error, OSError) as error:
                # The next beat may come through; if none does, the lease runs out as it should.
                if self._path.exists():
                    _LOG.warning("the lease of %s was not renewed: %s", self._path.parent, error)

    def _due(self) -> Lease | None:
        """Wait for the next beat; None once there is nothing to beat for."""
        me = threading.current_thread()
        with self._change:
            seconds = self._lease.seconds if self._lease else 0.0
            self._change.wait_for(lambda: self._thread is not me, timeout=seconds / _BEATS)
            if self._thread is not me:
                return None
            if not (self._working or self._owed):
                self._thread = None
                return None
            self._owed = False
            return self._lease
