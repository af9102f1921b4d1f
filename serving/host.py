"""The workflows of one server: opened together, found by name, stopped without losing a run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from concertmaster.contracts import Principal
from concertmaster.errors import ConcertmasterError, ConfigError, ServerBusy, UnknownWorkflow
from concertmaster.orchestrator.background import Started
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.opening import open_desk
from concertmaster.orchestrator.people import Resolver
from concertmaster.serving.settings import Settings
from concertmaster.serving.threads import named

__all__ = ["Host"]

_log = logging.getLogger("concertmaster.serving")


class Host:
    """What a server serves. Desks that are given stay their giver's; folders are opened here.

    Args:
        sources: opened desks, or folders of workspaces.
        settings: how it behaves.
        resolve: returns the principal behind an id with the roles it has now, for folders.
        model: the model for folders, as `open_desk` takes it.
        home: where the data of the folders lie: one folder each below this one.
        arrived: told of each desk, before anything runs on it here.
    """

    def __init__(
        self,
        sources: Sequence[Desk | Path | str],
        *,
        settings: Settings | None = None,
        resolve: Resolver | None = None,
        model: Any = None,
        home: Path | str | None = None,
        arrived: Callable[[Desk], None] = lambda desk: None,
    ) -> None:
        self._arrived = arrived
        self.settings = settings or Settings()
        self._folders = [Path(s) for s in sources if not isinstance(s, Desk)]
        self._desks: dict[str, Desk] = {}
        for desk in (s for s in sources if isinstance(s, Desk)):
            self._add(desk)
        self._resolve, self._model = resolve, model
        self._home = None if home is None else Path(home)
        self._stack = AsyncExitStack()
        self._sweeping: asyncio.Task[None] | None = None
        self._streams: Counter[tuple[str, str | None]] = Counter()
        self._taking = True
        self.ended = asyncio.Event()
        """Set when the server has stopped: streams that are still open end."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its workflows, in the order in which they were given."""
        return tuple(self._desks)

    @property
    def ready(self) -> bool:
        """Whether all workflows are open and messages are taken."""
        return self._taking and bool(self._desks) and not self._folders

    def desk(self, name: str) -> Desk:
        """Return a workflow by its name.

        Raises:
            UnknownWorkflow: there is none.
        """
        found = self._desks.get(name)
        if found is None:
            known = ", ".join(self._desks) or "none is open"
            raise UnknownWorkflow(
                f"there is no workflow {str(name)[:60]!r} here", hint=f"there are: {known}"
            )
        return found

    def __iter__(self) -> Iterator[Desk]:
        return iter(self._desks.values())

    async def __aenter__(self) -> Self:
        """Open the folders; what a vanished process left is taken up in the background.

        Raises:
            NotReady, WorkspaceError, HomeBusy, ConfigError: a folder cannot be opened.
        """
        try:
            while self._folders:
                desk = await self._stack.enter_async_context(self._opened(self._folders[0]))
                self._add(desk)
                desk.background.recover(desk.recover)
                self._folders.pop(0)
        except BaseException:
            await self._stack.aclose()
            raise
        self._sweeping = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        await self._stack.aclose()

    async def stop(self) -> int:
        """Take no more messages, wait for what is under way; return how many runs were left.

        A run that is not finished within `settings.drain` seconds stays stored, and the next
        start takes it up. Streams get what there is until then, and end.
        """
        if not self._taking:
            return 0
        self._taking = False
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        drained = (desk.background.drain(self.settings.drain) for desk in self)
        left = sum(await asyncio.gather(*drained))
        self.ended.set()
        if left:
            _log.warning("%d runs were left for the next start", left)
        return left

    async def start(
        self,
        desk: Desk,
        principal: Principal,
        text: str,
        *,
        thread: str | None = None,
        key: str | None = None,
    ) -> Started:
        """Store a message and have it answered; see `Background.start`.

        Args:
            desk: the workflow.
            principal: who asks.
            text: the message.
            thread: the conversation as the client calls it; a new one by default.
            key: an idempotency key.

        Raises:
            ServerBusy: the server, or this principal, has as many runs under way as may be.
        """
        limits = self.settings.limits
        if not self._taking:
            raise ServerBusy("this server is about to stop", hint="send it again", rest=5)
        if sum(d.background.count for d in self) >= limits.runs:
            raise ServerBusy("too many runs are under way here", hint="come again in a moment")
        if sum(d.background.count_of(principal) for d in self) >= limits.runs_each:
            raise ServerBusy(
                f"{limits.runs_each} runs of yours are under way", hint="wait for one of them"
            )
        return await desk.background.start(
            text,
            principal=principal,
            thread=None if thread is None else named(principal, thread),
            key=key,
            conflict=self.settings.conflict,
        )

    @contextmanager
    def streaming(self, principal: Principal) -> Iterator[None]:
        """Count a stream of a principal for as long as it is open.

        Raises:
            ServerBusy: it has as many as may be.
        """
        who = (principal.id, principal.tenant)
        if self._streams[who] >= self.settings.limits.streams_each:
            raise ServerBusy("too many streams of yours are open", hint="close one of them")
        self._streams[who] += 1
        try:
            yield
        finally:
            self._streams[who] -= 1
            if not self._streams[who]:
                del self._streams[who]

    def _add(self, desk: Desk) -> None:
        if desk.name in self._desks:
            raise ConfigError(
                f"two workflows are called {desk.name!r}",
                hint="clients tell them apart by `workflow:` in workflow.yaml; rename one",
            )
        self._arrived(desk)
        self._desks[desk.name] = desk

    def _opened(self, folder: Path) -> contextlib.AbstractAsyncContextManager[Desk]:
        home = None if self._home is None else self._home / folder.resolve().name
        return open_desk(folder, home=home, model=self._model, resolve=self._resolve, recover=False)

    async def _sweep(self) -> None:
        """Have deadlines take effect even when nobody looks."""
        while True:
            await asyncio.sleep(self.settings.sweep)
            for desk in self:
                try:
                    await desk.sweep()
                except ConcertmasterError as error:
                    _log.warning("deadlines were not looked at: %s", error.code)
