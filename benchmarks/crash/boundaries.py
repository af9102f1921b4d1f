"""The places at which a worker is struck, put around the product's own steps from outside.

Nothing of this is in the product: a worker that is forked for the benchmark wraps methods of its
own copy. A boundary is reached once, or with a number for the n-th time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["BOUNDARIES", "Boundaries"]

BOUNDARIES = (
    "message received",
    "input stored",
    "hop 1",
    "hop 2",
    "authorize",
    "approval asked",
    "interrupt",
    "checkpoint 1 begins",
    "checkpoint 1",
    "waiting stored",
    "approval stored",
    "act decides",
    "intended begins",
    "intended",
    "tool before its effect",
    "tool after its effect",
    "done begins",
    "done",
    "hop 3",
    "hop 4",
    "hop 5",
    "hop 6",
    "checkpoint 2 begins",
    "checkpoint 2",
    "answer begins",
    "answer stored",
)
"""In the order in which a run comes past them."""


class Boundaries:
    """Calls `struck` the first time that the run comes past `target`."""

    def __init__(self, target: str | None, struck: Callable[[], None]) -> None:
        self._target = target
        self._struck = struck
        self._seen: Counter[str] = Counter()
        self.passed: list[str] = []

    def reach(self, name: str, *, number: bool = False) -> None:
        """Come past a boundary."""
        self._seen[name] += 1
        told = f"{name} {self._seen[name]}" if number else name
        if number or self._seen[name] == 1:
            self.passed.append(told)
        if told == self._target:
            self._target = None
            self._struck()

    def put_up(self) -> None:
        """Wrap the product's steps in this process."""
        from concertmaster.audit import Trail
        from concertmaster.graphs import review
        from concertmaster.orchestrator.looking import LookingSaver
        from concertmaster.orchestrator.runs import Runs
        from concertmaster.policies.approvals import Approvals
        from concertmaster.tools.ledger import Ledger

        self._around(Runs, "add", "message received", "input stored")
        self._around(Approvals, "request", None, "approval asked")
        self._around(Approvals, "decide", None, "approval stored")
        self._around(Ledger, "begin", "intended begins", "intended")
        self._around(Ledger, "finish", "done begins", "done")
        self._emitted(Trail)
        self._checkpointed(LookingSaver)
        self._updated(Runs)
        interrupt = review.interrupt

        def interrupted(*given: Any, **named: Any) -> Any:
            self.reach("interrupt")
            return interrupt(*given, **named)

        review.interrupt = interrupted  # type: ignore[attr-defined]

    def _around(self, owner: type, method: str, before: str | None, after: str) -> None:
        original: Callable[..., Awaitable[Any]] = getattr(owner, method)

        async def around(*given: Any, **named: Any) -> Any:
            if before is not None:
                self.reach(before)
            result = await original(*given, **named)
            self.reach(after)
            return result

        setattr(owner, method, around)

    def _emitted(self, owner: Any) -> None:
        original = owner.emit

        def emit(trail: Any, type: str, **told: Any) -> None:
            original(trail, type, **told)
            if type == "route.hop":
                self.reach("hop", number=True)
            elif type == "policy.decided" and told.get("tool") == "refund":
                self.reach("act decides" if told.get("actor") == "act" else "authorize")

        owner.emit = emit

    def _checkpointed(self, owner: Any) -> None:
        original = owner.aput

        async def aput(*given: Any, **named: Any) -> Any:
            number = self._seen["checkpoint"] + 1
            self.reach(f"checkpoint {number} begins")
            result = await original(*given, **named)
            self.reach("checkpoint", number=True)
            return result

        owner.aput = aput

    def _updated(self, owner: Any) -> None:
        original = owner.update

        async def update(runs: Any, run: str, *, status: str, **named: Any) -> Any:
            if status == "answered":
                self.reach("answer begins")
            result = await original(runs, run, status=status, **named)
            if status == "answered":
                self.reach("answer stored")
            if status == "awaiting_review":
                self.reach("waiting stored")
            return result

        owner.update = update
