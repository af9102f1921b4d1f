"""Tells people outside that a call waits for them, beside the runs and never in their way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Sequence
from typing import Protocol

from concertmaster.audit import Trail
from concertmaster.contracts import ApprovalNotice
from concertmaster.errors import ConcertmasterError, ConfigError
from concertmaster.orchestrator.webhook import WebhookNotifier

__all__ = ["LogNotifier", "Notifier", "Notifying", "configured"]

PATIENCE = 10.0
"""Seconds that closing a desk waits for notices that are on their way."""

_LOG = logging.getLogger("concertmaster.approvals")
_URL, _SECRET = "CONCERTMASTER_WEBHOOK_URL", "CONCERTMASTER_WEBHOOK_SECRET"
_MOST = 1000


class Notifier(Protocol):
    """Delivers notices of approvals somewhere; whatever it raises is put into the trail."""

    @property
    def name(self) -> str:
        """What the trail calls it."""

    async def send(self, notice: ApprovalNotice) -> None:
        """Deliver one notice, trying again as it sees fit."""


class LogNotifier:
    """Writes notices to the log `concertmaster.approvals`."""

    name = "log"

    async def send(self, notice: ApprovalNotice) -> None:
        """Write one line."""
        needs = " and ".join(f"{need.count} x {need.role}" for need in notice.needs)
        due = f", due {notice.due}" if notice.due else ""
        _LOG.info("%s %s: %s for %s%s", notice.approval, notice.event, notice.tool, needs, due)


def configured() -> tuple[Notifier, ...]:
    """Return the notifiers that the environment asks for: the log, and a webhook if one is set.

    Raises:
        ConfigError: CONCERTMASTER_WEBHOOK_URL or _SECRET will not do.
    """
    url, secret = os.environ.get(_URL), os.environ.get(_SECRET)
    if not url:
        if secret:
            raise ConfigError(f"{_SECRET} is set, {_URL} is not", hint="set both, or neither")
        return (LogNotifier(),)
    return (LogNotifier(), WebhookNotifier(url, secret or ""))


class Notifying:
    """Hands notices to notifiers, each in a task of its own; failures go into the trail."""

    def __init__(self, trail: Trail, notifiers: Sequence[Notifier]) -> None:
        self._trail = trail
        self._notifiers = list(notifiers)
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, notifier: Notifier) -> None:
        """Have one more told, from the next notice on."""
        self._notifiers.append(notifier)

    def tell(self, notice: ApprovalNotice) -> None:
        """Set a notice on its way; returns at once."""
        for notifier in self._notifiers:
            if len(self._tasks) >= _MOST:
                self._untold(notifier, notice, "too many notices are on their way")
                continue
            task = asyncio.get_running_loop().create_task(self._send(notifier, notice))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait a little for what is on its way; what is not delivered then is put on record."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=PATIENCE)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _send(self, notifier: Notifier, notice: ApprovalNotice) -> None:
        try:
            await notifier.send(notice)
        except asyncio.CancelledError:
            self._untold(notifier, notice, "the desk was closed before it was delivered")
            return
        except Exception as error:
            # What others raise may name an address or a secret; what is raised here does not.
            why = str(error) if type(error) is ConnectionError else type(error).__name__
            self._untold(notifier, notice, why)
        else:
            return
        with contextlib.suppress(ConcertmasterError):
            await self._trail.flush()

    def _untold(self, notifier: Notifier, notice: ApprovalNotice, why: str) -> None:
        _LOG.warning("%s was not told of %s: %s", notifier.name, notice.approval, why)
        self._trail.emit(
            "approval.untold",
            why=f"{notifier.name}: {why}",
            actor="orchestrator",
            run=notice.run,
            approval=notice.approval,
            event=notice.event,
            notifier=notifier.name,
        )
