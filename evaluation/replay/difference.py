"""What other policies would have decided, call by call, and the sums of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from concertmaster.contracts import Allow, Decision, Deny, Review
from concertmaster.evaluation.replay.recorded import (
    Again,
    Beyond,
    Case,
    Kind,
    Recorded,
    Settled,
    WhatIf,
    duties_of,
    needs_of,
)

__all__ = ["CHANGES", "Change", "Changed", "Difference", "Replay"]

Change = Literal["stopped", "sent_to_person", "let_through", "other_people", "other_duties", "same"]
CHANGES: tuple[Change, ...] = (
    "stopped",
    "sent_to_person",
    "let_through",
    "other_people",
    "other_duties",
    "same",
)
_RANK: dict[Kind, int] = {"allow": 0, "review": 1, "deny": 2}
NO_RULE = "(no policy permits it)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The part of a decision that is compared."""

    kind: Kind
    policies: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    duties: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """One call that other policies decide otherwise, or that they decide alike.

    `effect`: it took effect. `assumed`: what was not known exactly.
    """

    run: str
    thread: str
    seq: int
    time: str
    position: int
    tool: str
    principal: str
    before: Verdict
    after: Verdict
    effect: bool = False
    assumed: tuple[str, ...] = ()

    @property
    def change(self) -> Change:
        """In which way the two decisions differ for whoever asked."""
        before, after = self.before, self.after
        if before.kind != after.kind:
            named: dict[Kind, Change] = {
                "deny": "stopped",
                "review": "sent_to_person",
                "allow": "let_through",
            }
            return named[after.kind]
        if before.needs != after.needs:
            return "other_people"
        return "same" if before.duties == after.duties else "other_duties"

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that make the change: those that decide now only, or that do no more."""
        before, after = self.before.policies, self.after.policies
        if not after:
            return (NO_RULE,)
        fresh = tuple(name for name in after if name not in before)
        return fresh or tuple(f"without {n}" for n in before if n not in after) or after


@dataclass
class Difference:
    """The sums. Decisions are counted singly; a call, with its decisions, once."""

    decisions: int = 0
    exact: int = 0
    assumed: Counter[str] = field(default_factory=Counter)
    settled: Counter[str] = field(default_factory=Counter)
    beyond: Counter[str] = field(default_factory=Counter)
    bundles: Counter[str] = field(default_factory=Counter)
    checked: int = 0
    mismatched: list[Recorded] = field(default_factory=list)
    calls: list[Changed] = field(default_factory=list)
    after_stopped: int = 0

    def of(self, *changes: Change) -> list[Changed]:
        """Return the calls that differ in these ways."""
        return [call for call in self.calls if call.change in changes]

    @property
    def changed(self) -> list[Changed]:
        """The calls that would have gone otherwise."""
        return [call for call in self.calls if call.change != "same"]

    def by(self, what: Literal["rule", "tool", "principal"]) -> dict[str, Counter[Change]]:
        """Return the changed calls by rule, tool or principal, the most changes first."""
        found: dict[str, Counter[Change]] = {}
        for call in self.changed:
            names = call.rules if what == "rule" else (getattr(call, what),)
            for name in names:
                found.setdefault(name, Counter())[call.change] += 1
        return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0])))


class Replay:
    """Makes recorded decisions again under other policies and adds the differences up.

    Args:
        other: the gate with the policies to try.
        own: the gate with the policies that the workspace has; decisions that were recorded under
            exactly these are made again by them, and have to come out the same.
    """

    def __init__(self, other: WhatIf, own: WhatIf | None = None) -> None:
        self._other = other
        self._own = own
        self._calls: dict[tuple[str, int, str], Changed] = {}
        self._sums = Difference()

    def take(self, case: Case) -> None:
        """Count one recorded decision in."""
        sums, recorded = self._sums, case.recorded
        sums.decisions += 1
        sums.bundles[recorded.bundle] += 1
        match case.ground:
            case Beyond(why):
                sums.beyond[why] += 1
            case Settled(why):
                sums.settled[why] += 1
                self._count(case, _verdict_of(recorded), ())
            case Again(call, assumed):
                if assumed:
                    sums.assumed.update(assumed)
                else:
                    sums.exact += 1
                decision = self._other.decide(call)
                self._check(recorded, case.ground, decision)
                self._count(case, verdict(decision), assumed)

    def _check(self, recorded: Recorded, ground: Again, decision: Decision) -> None:
        own = self._own
        if own is None or ground.assumed or recorded.bundle != own.bundle:
            return
        again = decision if self._other.bundle == own.bundle else own.decide(ground.call)
        self._sums.checked += 1
        if again.call != recorded.call or verdict(again) != _verdict_of(recorded):
            self._sums.mismatched.append(recorded)

    def _count(self, case: Case, after: Verdict, assumed: tuple[str, ...]) -> None:
        recorded = case.recorded
        key = (recorded.run, recorded.position, recorded.call)
        known, before = self._calls.get(key), _verdict_of(recorded)
        self._calls[key] = Changed(
            run=recorded.run,
            thread=recorded.thread,
            seq=known.seq if known else recorded.seq,
            time=known.time if known else recorded.time,
            position=recorded.position,
            tool=recorded.tool,
            principal=recorded.principal,
            before=_worse(known.before, before) if known else before,
            after=_worse(known.after, after) if known else after,
            effect=case.effect or (known is not None and known.effect),
            assumed=tuple(dict.fromkeys((*(known.assumed if known else ()), *assumed))),
        )

    def result(self) -> Difference:
        """Return the sums."""
        self._sums.calls = list(self._calls.values())
        self._sums.after_stopped = _after_stopped(self._sums.calls)
        return self._sums


def verdict(decision: Decision) -> Verdict:
    """Return the part of a decision that is compared with a recorded one."""
    duties = () if isinstance(decision, Deny) else decision.duties
    plain = [duty.model_dump() for duty in duties]
    needs = [n.model_dump() for n in decision.needs] if isinstance(decision, Review) else ()
    kind: Kind = "allow" if isinstance(decision, Allow) else "review" if needs else "deny"
    return Verdict(kind, decision.policies, needs_of(needs), duties_of(plain))


def _verdict_of(recorded: Recorded) -> Verdict:
    return Verdict(recorded.kind, recorded.policies, recorded.needs, recorded.duties)


def _worse(one: Verdict, other: Verdict) -> Verdict:
    """Return what decides a call that was decided twice: whatever stands most in its way."""
    return other if _RANK[other.kind] >= _RANK[one.kind] else one


def _after_stopped(calls: Iterable[Changed]) -> int:
    """Return how many calls came later on a thread on which one would have been stopped."""
    listed = sorted(calls, key=lambda call: call.seq)
    stopped: set[str] = set()
    later = 0
    for call in listed:
        later += call.thread in stopped
        if call.change == "stopped":
            stopped.add(call.thread)
    return later
