"""How a check of policies and a run of their tables are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from concertmaster.cli.console import note, put, safe, styled
from concertmaster.cli.explained import near_by, rules_json, show_rules
from concertmaster.cli.timeline import counted

if TYPE_CHECKING:
    from concertmaster.cli.policies import Checked
    from concertmaster.cli.tables import Placed, Ran
    from concertmaster.policies.bundle import Policy

__all__ = ["checked_json", "ran_json", "show_checked", "show_ran"]

_STYLES = {"error": "red", "warning": "yellow"}


def show_checked(report: Checked) -> None:
    """Print findings, one a line, then what the policies are."""
    for found in report.found:
        column = f":{found.column}" if found.column else ""
        hint = f" ({found.hint})" if found.hint else ""
        line = (
            f"{near_by(found.file)}:{found.line}{column}: {found.severity}: {found.message}{hint}"
        )
        put(styled(line, _STYLES[found.severity]))
    warnings = len(report.found) - report.errors
    counts = f"{counted(report.errors, 'error')}, {counted(warnings, 'warning')}"
    if report.bundle is None:
        note(f"\n{report.folder} cannot be used: {counts}", "red")
        return
    permits = sum(p.effect == "permit" for p in report.policies)
    forbids = len(report.policies) - permits
    files = len({p.file for p in report.policies})
    put(
        f"policies  {len(report.policies)}: {counted(permits, 'permit')},"
        f" {counted(forbids, 'forbid')} in {counted(files, 'file')}"
    )
    put(f"tools     {len(report.governed)} of {len(report.shapes)} can be permitted")
    put(f"bundle    {report.bundle}")
    note(f"{report.folder} is sound ({counted(warnings, 'warning')})", "green")


def checked_json(report: Checked) -> dict[str, Any]:
    """Return a check as one JSON document."""
    return {
        "folder": str(report.folder),
        "sound": not report.errors,
        "bundle": report.bundle,
        "policies": [_policy(p) for p in report.policies],
        "tools": {
            name: [p.id for p in report.policies if p.governs(name)] for name in report.shapes
        },
        "problems": [vars(found) for found in report.found],
    }


def _policy(policy: Policy) -> dict[str, Any]:
    return {
        "id": policy.id,
        "effect": policy.effect,
        "file": policy.file,
        "line": policy.line,
        "tools": None if policy.actions is None else sorted(policy.actions),
        "reason": policy.reason,
        "obligations": list(policy.obligations),
    }


def show_ran(ran: Ran, *, strict: bool) -> None:
    """Print what failed with its explanation, then a summary with the coverage of the policies."""
    for problem in ran.problems:
        hint = f" ({problem.hint})" if problem.hint else ""
        place = f"{near_by(problem.file)}:{problem.line}"
        put(styled(f"{place}: error: {problem.message}{hint}", "red"))
    for row in ran.failed:
        put(styled(f"{near_by(row.file)}:{row.line}: failed: {row.result.row.name}", "red"))
        for difference in row.result.differences:
            told = f"expected {difference.expected}, got {difference.actual}"
            put(styled(f"  {difference.key}: {told}", "bold"))
        show_rules(row.result.explanation, indent=2, forbids=row.result.row.expect == "deny")
        put("")
    for row in ran.remarked:
        place = f"{near_by(row.file)}:{row.line}"
        put(styled(f"{place}: passed, but {row.result.remark}", "red" if strict else "yellow"))
    for policy in ran.unused or ():
        told = f"{near_by(policy.file)}:{policy.line}: {policy.id} decided no row"
        put(styled(told, "red" if strict else "yellow"))
    _summary(ran, strict=strict)


def _summary(ran: Ran, *, strict: bool) -> None:
    failed, passed = len(ran.failed), len(ran.rows) - len(ran.failed)
    told = f"{passed} passed, {failed} failed"
    if ran.problems:
        told += f", {counted(len(ran.problems), 'problem')}"
    if ran.unused is not None:
        told += f"; {ran.policies - len(ran.unused)} of {ran.policies} policies decided a row"
    put(styled(told, "green" if ran.sound(strict=strict) else "bold red"))


def ran_json(ran: Ran, *, strict: bool) -> dict[str, Any]:
    """Return a run of tables as one JSON document."""
    return {
        "passed": ran.sound(strict=strict),
        "rows": [_row(row) for row in ran.rows],
        "problems": [p.model_dump() for p in ran.problems],
        "policies": ran.policies,
        "undecided": None if ran.unused is None else [p.id for p in ran.unused],
    }


def _row(placed: Placed) -> dict[str, Any]:
    result = placed.result
    decision = result.explanation.decision
    return {
        "name": result.row.name,
        "file": placed.file,
        "line": placed.line,
        "passed": result.passed,
        "decision": decision.kind,
        "policies": list(decision.policies),
        "reasons": [safe(reason) for reason in decision.reasons],
        "differences": [vars(difference) for difference in result.differences],
        "remark": result.remark,
        "rules": [] if result.passed else rules_json(result.explanation),
    }
