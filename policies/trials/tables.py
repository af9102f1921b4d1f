"""Tables of calls with the decisions that policies must give: `policies/tests.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from concertmaster.contracts import Deadline, Decision, Deny, Notify, Record, Redact, Review
from concertmaster.contracts.provenance import Origin
from concertmaster.policies.bundle import Policy
from concertmaster.policies.deadlines import in_short
from concertmaster.policies.obligations import parse_obligation
from concertmaster.policies.trials.cases import CallCase, CaseError
from concertmaster.policies.trials.explaining import Explanation, explained
from concertmaster.policies.trials.setting import Setting, near, try_out
from concertmaster.policies.trials.wording import origin_of

__all__ = ["Difference", "Row", "RowResult", "TestsFile", "run_row", "undecided"]

_NEED = re.compile(r"(?:[1-9][0-9]?-of:)?[A-Za-z0-9_-]{1,64}")


def _need(text: str) -> str:
    if not _NEED.fullmatch(text):
        raise ValueError(f"{text!r} is no need; write ROLE or N-of:ROLE")
    return text.removeprefix("1-of:")


def _duty(text: str) -> str:
    stated = parse_obligation(text)
    if not isinstance(stated, Redact | Notify):
        raise ValueError(f"{text!r} is no duty; write redact:FIELD or notify:ROLE")
    return text


def _term(text: str) -> str:
    stated = parse_obligation(f"deadline:{text}")
    if not isinstance(stated, Deadline):
        raise ValueError(f"{text!r} is no deadline; write SPAN:reject or SPAN:escalate:ROLE")
    return in_short(stated)


class Row(CallCase):
    """One call with the decision that is expected; what is not given is not compared.

    `policies` must be among those that decide. `needs` (`finance`, `2-of:risk`) and `duties`
    (`redact:iban`) must be exactly those of the decision, and so must `deadline`
    (`2h:escalate:manager`), which is the strictest of the policies and of the step. `origins` are
    the worst origins of the arguments' values, `asked` tells whether the effect was asked for.
    """

    name: str = Field(min_length=1)
    expect: Literal["allow", "review", "deny"]
    needs: tuple[Annotated[str, AfterValidator(_need)], ...] | None = None
    policies: tuple[str, ...] = ()
    duties: tuple[Annotated[str, AfterValidator(_duty)], ...] | None = None
    deadline: Annotated[str, AfterValidator(_term)] | None = None
    origins: dict[str, Origin] = Field(default_factory=dict)
    asked: bool | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.needs and self.expect != "review":
            raise ValueError("needs belong to `expect: review`")
        if self.deadline and self.expect != "review":
            raise ValueError("a deadline belongs to `expect: review`")
        if self.duties and self.expect == "deny":
            raise ValueError("a denied call has no duties")
        return self


class TestsFile(Record):
    """`policies/tests.yaml`: rows that are tried out one by one."""

    # The name begins as pytest's classes do.
    __test__ = False

    tests: tuple[Row, ...] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What was expected of a row and what came, both in words."""

    key: str
    expected: str
    actual: str


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """What a row gave: it passed if there is no difference. `remark` is what may mislead."""

    row: Row
    explanation: Explanation
    differences: tuple[Difference, ...]
    remark: str | None = None

    @property
    def passed(self) -> bool:
        """Whether everything came as expected."""
        return not self.differences


def run_row(row: Row, setting: Setting) -> RowResult:
    """Try a row out.

    Raises:
        CaseError: it names a tool, argument, step, principal, intent or policy that is unknown;
            such a row would pass or fail for the wrong reason.
    """
    _check_names(row, setting)
    explanation = explained(try_out(row, setting), setting)
    return RowResult(
        row=row,
        explanation=explanation,
        differences=tuple(_differences(row, explanation.decision)),
        remark=_remark(row, explanation),
    )


def undecided(policies: Iterable[Policy], results: Iterable[RowResult]) -> tuple[Policy, ...]:
    """Return the policies that decided none of the rows."""
    used = {id_ for result in results for id_ in result.explanation.decision.policies}
    return tuple(policy for policy in policies if policy.id not in used)


def _check_names(row: Row, setting: Setting) -> None:
    if row.tool not in setting.shapes:
        hint = near(row.tool, setting.shapes)
        raise CaseError("tool", f"there is no tool {row.tool!r}", hint=hint)
    declared = setting.shapes[row.tool].arguments.get("properties") or {}
    for name in row.origins:
        if name not in declared:
            told = f"{row.tool} has no argument {name!r}"
            raise CaseError("origins", told, hint=near(name, declared))
    known = [policy.id for policy in setting.engine.policies]
    for id_ in row.policies:
        if id_ not in known:
            raise CaseError("policies", f"there is no policy {id_!r}", hint=near(id_, known))


def _differences(row: Row, decision: Decision) -> Iterator[Difference]:
    if decision.kind != row.expect:
        yield Difference(key="decision", expected=row.expect, actual=decision.kind)
        return
    if row.needs is not None:
        yield from _compared("needs", row.needs, _needs(decision))
    absent = [id_ for id_ in row.policies if id_ not in decision.policies]
    if absent:
        yield Difference(
            key="policies", expected=", ".join(row.policies), actual=_list(decision.policies)
        )
    if row.duties is not None:
        yield from _compared("duties", row.duties, _duties(decision))
    if row.deadline is not None:
        term = decision.deadline if isinstance(decision, Review) else None
        yield from _compared("deadline", [row.deadline], [in_short(term)] if term else [])
    provenance = decision.provenance
    for name, origin in row.origins.items():
        actual = origin_of(provenance, name) if provenance else None
        if actual != origin:
            yield Difference(
                key=f"origin of {name}", expected=origin, actual=actual or "none: nobody chose it"
            )
    if row.asked is not None and (provenance is None or provenance.asked != row.asked):
        why = provenance.asked_why if provenance else "the policies were not asked"
        yield Difference(key="asked", expected=str(row.asked).lower(), actual=why)


def _compared(key: str, expected: Iterable[str], actual: Iterable[str]) -> Iterator[Difference]:
    want, have = sorted(expected), sorted(actual)
    if want != have:
        yield Difference(key=key, expected=_list(want), actual=_list(have))


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _needs(decision: Decision) -> list[str]:
    if not isinstance(decision, Review):
        return []
    return [n.role if n.count == 1 else f"{n.count}-of:{n.role}" for n in decision.needs]


def _duties(decision: Decision) -> list[str]:
    if isinstance(decision, Deny):
        return []
    return [
        f"redact:{d.field}" if d.kind == "redact" else f"notify:{d.role}" for d in decision.duties
    ]


def _remark(row: Row, explanation: Explanation) -> str | None:
    if row.expect != "deny" or explanation.reached or explanation.decision.kind != "deny":
        return None
    return f"denied before any policy was asked: {'; '.join(explanation.decision.reasons)}"
