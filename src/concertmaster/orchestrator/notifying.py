"""Tells people outside that a call waits for them, beside the runs and never in their way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from concertmaster.audit import Trail
from concertmaster.contracts import ApprovalNotice, AuditEvent, now
from concertmaster.contracts.written import Span
from concertmaster.errors import ConcertmasterError, ConfigError
from concertmaster.orchestrator import outbox
from concertmaster.orchestrator.webhook import NoticeRefused, WebhookNotifier
from concertmaster.storage import Database

__all__ = ["AGE", "LogNotifier", "Notifier", "Notifying", "configured", "patience"]

AGE = 86400.0
"""Seconds for which a notice that cannot be delivered is tried again."""

PATIENCE = 10.0
"""Seconds that closing a desk waits for notices that are on their way."""

_LOG = logging.getLogger("concertmaster.approvals")
_URL, _SECRET = "CONCERTMASTER_WEBHOOK_URL", "CONCERTMASTER_WEBHOOK_SECRET"
_LONG = "CONCERTMASTER_NOTICE_AGE"
_AT_ONCE = 16
_LOOK, _LEAST = 300.0, 0.05
_SPAN: TypeAdapter[float] = TypeAdapter(Span)


class Notifier(Protocol):
    """Delivers notices of approvals somewhere; whatever it raises is put into the trail.

    It may be given the same notice twice, whose `id` is the same then. What it could not deliver it
    is given again later, unless it raised `NoticeRefused`.
    """

    @property
    def name(self) -> str:
        """What the trail calls it."""

    async def send(self, notice: ApprovalNotice) -> None:
        """Deliver one notice, trying again as it sees fit."""


class LogNotifier:
    """Writes notices to the log `concertmaster.approvals`."""

    name = "log"
    lasting = False
    """A line that a crash swallowed is not written later."""

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


def patience() -> float:
    """Return for how many seconds notices are tried again: CONCERTMASTER_NOTICE_AGE, else a day.

    Raises:
        ConfigError: it is no span, such as `24h`.
    """
    value = os.environ.get(_LONG)
    try:
        return _SPAN.validate_python(value) if value else AGE
    except ValidationError:
        raise ConfigError(f"{_LONG} is {value!r}", hint="give a span, such as 24h") from None


class Notifying:
    """Hands notices to notifiers, each in a task of its own; failures go into the trail.

    A notice is stored until it is delivered, and so survives a crash. It is tried again, at growing
    intervals, for as long as `age` seconds; then it is given up, which the trail tells.
    """

    def __init__(
        self, database: Database, trail: Trail, notifiers: Sequence[Notifier], age: float
    ) -> None:
        self._database = database
        self._trail = trail
        self._age = age
        self._fleeting: list[Notifier] = []
        self._lasting: dict[str, Notifier] = {}
        self._underway: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._beyond: set[str] = set()
        self._wake = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._closing = False
        self.clock: Callable[[], datetime] = now
        for notifier in notifiers:
            self.add(notifier)

    def add(self, notifier: Notifier) -> None:
        """Have one more told, from the next notice on, and what a former one of its name missed."""
        if not getattr(notifier, "lasting", True):
            self._fleeting.append(notifier)
            return
        name, number = notifier.name, 1
        while name in self._lasting:
            number += 1
            name = f"{notifier.name} ({number})"
        self._lasting[name] = notifier
        self._wake.set()

    def keep(self, connection: sqlite3.Connection, notice: ApprovalNotice, thread: str) -> None:
        """Store a notice in the transaction of what it tells of."""
        if self._lasting and not outbox.put(
            connection, notice, thread, tuple(self._lasting), self.clock()
        ):
            self._beyond.add(notice.id)

    def tell(self, notice: ApprovalNotice) -> None:
        """Set a notice on its way; returns at once."""
        for notifier in self._fleeting:
            task = asyncio.get_running_loop().create_task(self._send(notifier, notice))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if notice.id in self._beyond:
            self._beyond.discard(notice.id)
            for name in self._lasting:
                self._untold(notice, name, "too many notices are on their way")
        self._wake.set()

    def start(self) -> None:
        """Begin to deliver, what a former process left as well."""
        if self._pump is None:
            self._pump = asyncio.get_running_loop().create_task(self._deliver_all())

    async def close(self) -> None:
        """Wait a little for what is on its way; what is not delivered then is tried later."""
        self._closing = True
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        with contextlib.suppress(ConcertmasterError):
            await self._round()
        going = {*self._underway.values(), *self._tasks}
        if going:
            _, late = await asyncio.wait(going, timeout=PATIENCE)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _deliver_all(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                pause = await self._round()
            except ConcertmasterError as error:
                _LOG.warning("notices cannot be read: %s", error.message)
                pause = _LOOK
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, _LEAST)):
                    await self._wake.wait()

    async def _round(self) -> float:
        """Begin to deliver what is due; return after how many seconds to look again."""
        at = self.clock()
        entries, pause = await self._database.read(
            lambda connection: (outbox.due(connection, at), outbox.soonest(connection, at))
        )
        for entry in entries:
            notifier = self._lasting.get(entry.notifier)
            if entry.key in self._underway or len(self._underway) >= _AT_ONCE:
                continue
            if notifier is None and entry.age(at) < self._age:
                continue  # Whoever opens the home next may bring it.
            task = asyncio.get_running_loop().create_task(self._deliver(notifier, entry))
            self._underway[entry.key] = task
            task.add_done_callback(partial(self._over, entry.key))
        return _LOOK if pause is None else min(pause, _LOOK)

    def _over(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._underway.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            _LOG.warning("a notice was not noted: %s", type(task.exception()).__name__)
        if not self._closing:
            self._wake.set()

    async def _deliver(self, notifier: Notifier | None, entry: outbox.Entry) -> None:
        with contextlib.suppress(ConcertmasterError):
            try:
                if notifier is None:
                    raise NoticeRefused("nobody of this name is told any more")
                await notifier.send(entry.notice)
            except asyncio.CancelledError:
                await self._failed(entry, "the desk was closed before it was delivered", wait=0.0)
            except NoticeRefused as error:
                await self._failed(entry, str(error), wait=None)
            except Exception as error:
                await self._failed(entry, _reason(error), wait=outbox.delay(entry.attempts))
            else:
                await self._database.write(lambda c: outbox.remove(c, [entry.key]))

    async def _failed(self, entry: outbox.Entry, why: str, *, wait: float | None) -> None:
        """Note that a notice was not delivered: to be tried again after `wait`, or given up."""
        at = self.clock()
        final = wait is None or entry.age(at) >= self._age
        told = why if wait is None else f"{why}; it is {'given up' if final else 'tried again'}"
        events = [self._event(entry.notice, entry.notifier, told)]
        _LOG.warning("%s was not told of %s: %s", entry.notifier, entry.notice.approval, told)

        def work(connection: sqlite3.Connection) -> None:
            if final or wait is None:
                outbox.remove(connection, [entry.key])
            else:
                outbox.try_later(connection, entry, at, wait)
            # Once at first, and once when it is given up: attempts in between say nothing new.
            if final or entry.attempts == 0:
                self._trail.store(connection, *events)

        await self._database.write(work)

    async def _send(self, notifier: Notifier, notice: ApprovalNotice) -> None:
        try:
            await notifier.send(notice)
        except Exception as error:
            self._untold(notice, notifier.name, _reason(error))

    def _untold(self, notice: ApprovalNotice, notifier: str, why: str) -> None:
        _LOG.warning("%s was not told of %s: %s", notifier, notice.approval, why)
        self._trail.emit(**_about(notice, notifier, why))

    def _event(self, notice: ApprovalNotice, notifier: str, why: str) -> AuditEvent:
        return self._trail.event(**_about(notice, notifier, why))


def _about(notice: ApprovalNotice, notifier: str, why: str) -> dict[str, Any]:
    return {
        "type": "approval.untold",
        "why": f"{notifier}: {why}",
        "actor": "orchestrator",
        "run": notice.run,
        "approval": notice.approval,
        "event": notice.event,
        "notifier": notifier,
        "notice": notice.id,
    }


def _reason(error: Exception) -> str:
    """Say why a notifier failed. What others raise may name an address or a secret."""
    return str(error) if type(error) is ConnectionError else type(error).__name__
