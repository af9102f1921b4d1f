"""What is allowed: policies in Cedar, the gate that every call passes, approvals by people."""

from concertmaster.policies.approvals import MIGRATIONS, Approvals, satisfies
from concertmaster.policies.bundle import Policy, check
from concertmaster.policies.call import Call
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Gate
from concertmaster.policies.statements import Problem

__all__ = [
    "MIGRATIONS",
    "Approvals",
    "Call",
    "Gate",
    "Policy",
    "PolicyEngine",
    "Problem",
    "check",
    "satisfies",
]
