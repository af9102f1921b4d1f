"""A reviewer who decides by rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from concertmaster.contracts import Answer, Approval, Approve, Principal, Reject

__all__ = ["AutoReviewer", "Decides", "Reviewable", "Rule"]

Rule = Callable[[Approval], Answer | None]
"""Returns the answer to an approval, or None to leave it to somebody else."""

_MOST = 100


class Reviewable(Protocol):
    """A run, as far as a reviewer looks at it."""

    @property
    def pending(self) -> tuple[Approval, ...]:
        """The approvals that it waits for."""
        ...


R = TypeVar("R", bound=Reviewable)


class Decides(Protocol):
    """A desk, as far as a reviewer uses it."""

    async def decide(self, approval: str, answer: Answer, /, *, principal: Principal) -> Any:
        """Answer an approval and return the run as it then stands."""
        ...


class AutoReviewer:
    """A person with a rule: approves everything unless told otherwise.

    >>> li = Principal(id="li", roles=("finance",))
    >>> reviewer = AutoReviewer(li, lambda approval: None)
    >>> reviewer.decided
    ()
    """

    def __init__(self, principal: Principal, rule: Rule | None = None) -> None:
        self.principal = principal
        self._rule: Rule = rule or (lambda _: Approve(reason="approved by rule"))
        self._decided: list[tuple[Approval, Answer]] = []

    @classmethod
    def rejecting(cls, principal: Principal, reason: str = "rejected by rule") -> AutoReviewer:
        """Return a reviewer who rejects everything."""
        return cls(principal, lambda _: Reject(reason=reason))

    @property
    def decided(self) -> tuple[tuple[Approval, Answer], ...]:
        """What was answered, and how, in order."""
        return tuple(self._decided)

    async def decide_all(self, desk: Decides, run: R) -> R:
        """Answer what the run waits for, and what it then waits for, and return it at rest.

        Each approval is answered once: one that needs several people goes on waiting for them.

        Raises:
            ApprovalError: this principal may not decide an approval.
            RuntimeError: the run asks again and again.
        """
        seen: set[str] = set()
        for _ in range(_MOST):
            approval = next((a for a in run.pending if a.id not in seen), None)
            if approval is None:
                return run
            seen.add(approval.id)
            answer = self._rule(approval)
            if answer is not None:
                self._decided.append((approval, answer))
                run = await desk.decide(approval.id, answer, principal=self.principal)
        raise RuntimeError(f"after {_MOST} approvals the run still asks for more")
