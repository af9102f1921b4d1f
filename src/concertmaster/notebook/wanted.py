"""What the helpers of a notebook need to be given, and the words for what does not do."""

from __future__ import annotations

from concertmaster.contracts import Approval
from concertmaster.errors import ApprovalUnknown, ConfigError
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.run import Run

__all__ = ["approval_of", "asynchronous"]


def asynchronous(desk: object, what: str) -> None:
    """Check that a desk is one whose methods are awaited.

    Raises:
        ConfigError: it is another one, or none.
    """
    if not isinstance(desk, Desk):
        raise ConfigError(
            f"{what} needs an open desk, not a {type(desk).__name__}",
            hint="open one with `async with cm.open(…) as desk`; notebooks await at the top level",
        )


def approval_of(waiting: Run | Approval, number: int = 0) -> Approval:
    """Return what is to be decided.

    Raises:
        ApprovalUnknown: the run waits for nobody.
        ConfigError: it is neither a run nor an approval.
    """
    if isinstance(waiting, Approval):
        return waiting
    if not isinstance(waiting, Run):
        raise ConfigError(
            f"cm.approve takes a run or an approval, not a {type(waiting).__name__}",
            hint="`desk.approvals()` returns those that wait",
        )
    if not waiting.pending:
        raise ApprovalUnknown(
            f"{waiting.id} waits for nobody", hint=f"it is {waiting.status.replace('_', ' ')}"
        )
    return waiting.pending[number]
