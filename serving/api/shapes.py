"""What the API takes and returns: workflows, threads, runs, approvals."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from concertmaster.contracts.approval import ApprovalStatus, Vote
from concertmaster.contracts.base import Record
from concertmaster.contracts.deadline import Claim
from concertmaster.contracts.decision import ReviewNeed
from concertmaster.contracts.feedback import Thumb
from concertmaster.contracts.outcome import Outcome, Status
from concertmaster.contracts.provenance import Provenance

__all__ = [
    "ApprovalView",
    "Cancellation",
    "ClaimTime",
    "FeedbackReceipt",
    "NewFeedback",
    "NewRun",
    "RunView",
    "ThreadState",
    "ThreadView",
    "TimelineEntry",
    "WorkflowList",
    "WorkflowView",
]


class WorkflowView(Record):
    """A workflow of this server."""

    name: str = Field(examples=["support_desk"])
    description: str
    reviewer: bool = Field(description="Whether the caller has a role that decides here.")


class WorkflowList(Record):
    """The workflows of this server, in the order in which it was given them."""

    data: list[WorkflowView]


class NewRun(Record):
    """A message to be answered."""

    text: str = Field(
        min_length=1, description="The message.", examples=["Please refund order 1042"]
    )
    thread_id: str | None = Field(
        default=None,
        description="The conversation, as the caller calls it: 1 to 96 printable characters "
        "without `~`. Everybody has names of their own. A new conversation without.",
        examples=["t-1"],
    )


class Cancellation(Record):
    """Why a run is to end."""

    reason: str = Field(default="", max_length=1000, examples=["asked by mistake"])


class ClaimTime(Record):
    """How long an approval is taken on."""

    seconds: float = Field(default=900, gt=0, le=8 * 3600)


class NewFeedback(Record):
    """What somebody thinks of a run; nothing is learned from it until it is reviewed."""

    value: Thumb
    comment: str = Field(default="", max_length=4000)
    intent: str | None = Field(default=None, description="What the message wanted.")
    answer: str | None = Field(default=None, description="What would have been right.")
    document: str | None = Field(default=None, description="The id of the document with it.")


class FeedbackReceipt(Record):
    """Feedback that was stored."""

    id: str
    run_id: str
    kind: Literal["thumb", "correction"]
    value: Thumb
    created: str


class ApprovalView(Record):
    """A call that waits, or waited, for people.

    Who asked for it sees the call and its status. `votes`, `claims`, `concerns` and `provenance`
    are for those who decide it.
    """

    id: str = Field(examples=["apr-1f2e3d4c"])
    workflow: str
    run_id: str
    thread_id: str
    requester: str
    reviewing: bool = Field(description="Whether the caller sees it as one of those who decide.")
    status: ApprovalStatus
    tool: str
    arguments: dict[str, Any]
    why: str = Field(description="Why the call was proposed.")
    reasons: list[str] = Field(description="Why people have to look at it.")
    needs: list[ReviewNeed]
    instead_of: list[ReviewNeed] = Field(description="What was needed before it was escalated.")
    created: str
    due: str | None
    at_deadline: str | None = Field(description="`reject`, or `escalate:ROLE`.")
    decided: str | None
    replaces: str | None
    votes: list[Vote] = Field(default_factory=list)
    claims: list[Claim] = Field(default_factory=list)
    concerns: list[str] = Field(default_factory=list)
    provenance: Provenance | None = None


class RunView(Record):
    """A run as it stands. `pending` is what it waits for."""

    id: str = Field(examples=["run-5f0c6a7b8c9d0e1f"])
    workflow: str
    thread_id: str
    requester: str
    text: str
    status: Status
    outcome: Outcome
    pending: list[ApprovalView]
    created: str
    updated: str


class ThreadView(Record):
    """A conversation of the caller's."""

    id: str = Field(examples=["t-1"])
    workflow: str
    status: Status | None = Field(description="That of its latest run.")
    runs: int
    created: str
    updated: str


class ThreadState(Record):
    """How a conversation stands: its latest run, and everything on it that waits for people."""

    id: str
    workflow: str
    requester: str
    status: Status
    runs: int
    latest: RunView
    pending: list[ApprovalView]


class TimelineEntry(Record):
    """Something that happened, in words, as the audit trail has it."""

    id: str
    run_id: str
    time: str
    part: Literal["asked", "looked", "reviewed", "acted", "ended", "other"]
    type: str = Field(examples=["approval.requested"])
    text: str
