"""The plain records that rooms hand each other: a leaf that imports no other room."""

from concertmaster.contracts.action import Action, ActionResult
from concertmaster.contracts.approval import (
    Answer,
    Approval,
    Approve,
    Edit,
    Reject,
    Respond,
    Vote,
)
from concertmaster.contracts.base import Record, canonical, digest, new_id, now, plain_text
from concertmaster.contracts.deadline import Claim, Deadline
from concertmaster.contracts.decision import (
    Allow,
    Decision,
    Deny,
    Duty,
    Notify,
    Redact,
    Review,
    ReviewNeed,
)
from concertmaster.contracts.draft import Draft, Finding, Sentence, Verdict
from concertmaster.contracts.events import AuditEvent, StreamEvent
from concertmaster.contracts.evidence import Citation, Evidence, Retrieved
from concertmaster.contracts.history import History, Past
from concertmaster.contracts.intent import Alternative, Intent
from concertmaster.contracts.labels import Confidentiality, Label, Trust
from concertmaster.contracts.notice import ApprovalNotice
from concertmaster.contracts.outcome import FINAL, Outcome, Status
from concertmaster.contracts.principal import ANONYMOUS, EVERYONE, Principal, Readers
from concertmaster.contracts.provenance import Origin, Provenance, ValueOrigin
from concertmaster.contracts.request import Request
from concertmaster.contracts.run import RunRecord
from concertmaster.contracts.tool import ToolShape
from concertmaster.contracts.turn import Hop, Memory, Message, StepFailure, Turn, Usage

__all__ = [
    "ANONYMOUS",
    "EVERYONE",
    "FINAL",
    "Action",
    "ActionResult",
    "Allow",
    "Alternative",
    "Answer",
    "Approval",
    "ApprovalNotice",
    "Approve",
    "AuditEvent",
    "Citation",
    "Claim",
    "Confidentiality",
    "Deadline",
    "Decision",
    "Deny",
    "Draft",
    "Duty",
    "Edit",
    "Evidence",
    "Finding",
    "History",
    "Hop",
    "Intent",
    "Label",
    "Memory",
    "Message",
    "Notify",
    "Origin",
    "Outcome",
    "Past",
    "Principal",
    "Provenance",
    "Readers",
    "Record",
    "Redact",
    "Reject",
    "Request",
    "Respond",
    "Retrieved",
    "Review",
    "ReviewNeed",
    "RunRecord",
    "Sentence",
    "Status",
    "StepFailure",
    "StreamEvent",
    "ToolShape",
    "Trust",
    "Turn",
    "Usage",
    "ValueOrigin",
    "Verdict",
    "Vote",
    "canonical",
    "digest",
    "new_id",
    "now",
    "plain_text",
]
