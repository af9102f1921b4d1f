from dataclasses import dataclass, field, replace

import pytest

from concertmaster.contracts import (
    Action,
    Answer,
    Approval,
    Approve,
    Principal,
    Reject,
    ReviewNeed,
)
from concertmaster.testing import AutoReviewer

LI = Principal(id="li", roles=("finance",))


def approval(number: int, amount: int = 100) -> Approval:
    action = Action(
        position=number,
        step="executor",
        tool="refund",
        arguments={"amount": amount},
        key=f"refund_{number}",
        why="charged twice",
    )
    return Approval(
        id=f"a-{number}",
        run="run-1",
        thread="t-1",
        position=number,
        action=action,
        requester="ana",
        digest=action.call_digest(),
        needs=(ReviewNeed(role="finance"),),
        created="2026-01-01T00:00:00Z",
    )


@dataclass(frozen=True)
class WaitingRun:
    pending: tuple[Approval, ...]


@dataclass
class Queue:
    """Asks for one approval after the other."""

    later: list[Approval] = field(default_factory=list)
    needs_two: bool = False
    answers: list[tuple[str, str, str]] = field(default_factory=list)
    run: WaitingRun = WaitingRun(())

    async def decide(self, approval: str, answer: Answer, *, principal: Principal) -> WaitingRun:
        self.answers.append((approval, answer.kind, principal.id))
        left = tuple(a for a in self.run.pending if a.id != approval or self.needs_two)
        if not left and self.later:
            left = (self.later.pop(0),)
        self.run = replace(self.run, pending=left)
        return self.run


async def test_everything_is_approved_as_the_given_person() -> None:
    desk = Queue(run=WaitingRun((approval(1), approval(2))), later=[approval(3)])
    reviewer = AutoReviewer(LI)
    run = await reviewer.decide_all(desk, desk.run)
    assert run.pending == ()
    assert desk.answers == [(f"a-{n}", "approve", "li") for n in (1, 2, 3)]
    assert [a.id for a, _ in reviewer.decided] == ["a-1", "a-2", "a-3"]


async def test_everything_is_rejected_with_a_reason() -> None:
    desk = Queue(run=WaitingRun((approval(1),)))
    reviewer = AutoReviewer.rejecting(LI, "not today")
    await reviewer.decide_all(desk, desk.run)
    assert reviewer.decided[0][1] == Reject(reason="not today")


async def test_rule_decides_each_and_may_leave_some() -> None:
    def rule(asked: Approval) -> Answer | None:
        return Approve() if asked.action.arguments["amount"] < 50 else None

    desk = Queue(run=WaitingRun((approval(1), approval(2, amount=10))))
    run = await AutoReviewer(LI, rule).decide_all(desk, desk.run)
    assert [a.id for a in run.pending] == ["a-1"]
    assert [a for a, _, _ in desk.answers] == ["a-2"]


async def test_approval_that_needs_another_person_is_answered_once() -> None:
    desk = Queue(run=WaitingRun((approval(1),)), needs_two=True)
    run = await AutoReviewer(LI).decide_all(desk, desk.run)
    assert len(desk.answers) == 1
    assert len(run.pending) == 1


async def test_run_that_never_stops_asking_is_told() -> None:
    desk = Queue(run=WaitingRun((approval(0),)), later=[approval(n) for n in range(1, 200)])
    with pytest.raises(RuntimeError, match="still asks"):
        await AutoReviewer(LI).decide_all(desk, desk.run)
