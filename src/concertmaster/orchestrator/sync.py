"""The one synchronous face: the same desk, driven from code without an event loop."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from concertmaster.contracts import Answer, Approval, Principal, StreamEvent
from concertmaster.contracts.feedback import Feedback, Thumb
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.errors import ConfigError
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.forgetting import Forgotten
from concertmaster.orchestrator.loop_thread import LoopThread
from concertmaster.orchestrator.opening import open_desk
from concertmaster.orchestrator.retention import PruneReport
from concertmaster.orchestrator.run import Run
from concertmaster.policies.claims import DEFAULT

__all__ = ["SyncDesk"]

T = TypeVar("T")


class SyncDesk:
    """A desk for scripts: `with cm.open_sync("examples/support_desk") as desk: desk.run(…)`.

    It runs its own event loop in one thread, and so works in notebooks and wherever else a loop
    runs already, which waits meanwhile. The arguments are those of `concertmaster.open`.
    """

    def __init__(self, workspace: str | Path, **options: Any) -> None:
        self._opening: AbstractAsyncContextManager[Desk] = open_desk(workspace, **options)
        self._desk: Desk | None = None

    def __enter__(self) -> Self:
        self._loop = LoopThread("concertmaster-sync")
        try:
            self._desk = self._wait(self._opening.__aenter__())
        except BaseException:
            self._loop.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._wait(self._opening.__aexit__(kind, error, trace))
        finally:
            self._desk = None
            self._loop.stop()

    def __repr__(self) -> str:
        return f"<SyncDesk {self._desk.name!r}>" if self._desk else "<SyncDesk, closed>"

    def _repr_html_(self) -> str | None:
        return self._desk._repr_html_() if self._desk else None

    @property
    def desk(self) -> Desk:
        """The asynchronous desk underneath."""
        if self._desk is None:
            raise RuntimeError("the desk is not open: use it in a with statement")
        return self._desk

    @property
    def graph(self) -> Any:
        """The compiled graph."""
        return self.desk.graph

    def run(self, text: str, *, principal: Principal | str, thread: str | None = None) -> Run:
        """Answer one message; see `Desk.run`."""
        return self._wait(self.desk.run(text, principal=principal, thread=thread))

    def decide(self, approval: str, answer: Answer, *, principal: Principal | str) -> Run:
        """Answer an approval; see `Desk.decide`."""
        return self._wait(self.desk.decide(approval, answer, principal=principal))

    def feedback(
        self, run: str, *, principal: Principal | str, value: Thumb, **given: Any
    ) -> Feedback:
        """Store what somebody thinks of a run; see `Desk.feedback`."""
        return self._wait(self.desk.feedback(run, principal=principal, value=value, **given))

    def claim(
        self, approval: str, *, principal: Principal | str, seconds: float = DEFAULT
    ) -> Approval:
        """Take an approval on for a while; see `Desk.claim`."""
        return self._wait(self.desk.claim(approval, principal=principal, seconds=seconds))

    def release(self, approval: str, *, principal: Principal | str) -> Approval:
        """Let go of a claim; see `Desk.release`."""
        return self._wait(self.desk.release(approval, principal=principal))

    def sweep(self) -> list[Run]:
        """Have deadlines that are over take effect; see `Desk.sweep`."""
        return self._wait(self.desk.sweep())

    def forget(
        self, thread: str, *, by: Principal | str, why: str, force: bool = False
    ) -> Forgotten:
        """Erase a thread everywhere in the home; see `Desk.forget`."""
        return self._wait(self.desk.forget(thread, by=by, why=why, force=force))

    def approvals(self, *, role: str | None = None) -> list[Approval]:
        """Return the pending approvals; see `Desk.approvals`."""
        return self._wait(self.desk.approvals(role=role))

    def prune(self, *, dry_run: bool = False, rules: RetentionSpec | None = None) -> PruneReport:
        """Remove what retention declares to be due; see `Desk.prune`."""
        return self._wait(self.desk.prune(dry_run=dry_run, rules=rules))

    def history(self, thread: str) -> list[Run]:
        """Return a thread's runs; see `Desk.history`."""
        return self._wait(self.desk.history(thread))

    def stream(
        self, text: str, *, principal: Principal | str, thread: str | None = None
    ) -> Iterator[StreamEvent]:
        """Answer one message, event by event; see `Desk.stream`."""
        events = self.desk.stream(text, principal=principal, thread=thread)

        async def following() -> StreamEvent | None:
            return await anext(events, None)

        while (event := self._wait(following())) is not None:
            yield event

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.inside:
            work.close()
            raise ConfigError(
                "a synchronous desk cannot be called from within its own runs",
                hint="await the desk itself, `desk.desk`, in tools and callbacks",
            )
        return self._loop.wait(work)
