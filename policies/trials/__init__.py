"""Policies tried out on calls that are written down: tables of tests, and why a call is decided so.

Everything here is a pure function of the policies, the tools and the written call.
"""

from concertmaster.policies.trials.cases import CallCase, CaseError
from concertmaster.policies.trials.explaining import Explanation, explain
from concertmaster.policies.trials.findings import Finding, findings
from concertmaster.policies.trials.setting import Setting, StepRules
from concertmaster.policies.trials.tables import Row, RowResult, TestsFile, run_row, undecided

__all__ = [
    "CallCase",
    "CaseError",
    "Explanation",
    "Finding",
    "Row",
    "RowResult",
    "Setting",
    "StepRules",
    "TestsFile",
    "explain",
    "findings",
    "run_row",
    "undecided",
]
