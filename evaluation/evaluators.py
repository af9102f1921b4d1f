"""The evaluators: small pure functions over a case and how it went.

A run that waits for a person is a state like any other, never an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from concertmaster.evaluation.cases import Case, Expected
from concertmaster.evaluation.matching import match_path, match_tools
from concertmaster.evaluation.recorded import Recorded, RecordedTurn
from concertmaster.evaluation.scores import Score

__all__ = ["EVALUATORS", "Evaluator", "Judged", "judge_case"]

Evaluator = Callable[[Case, Recorded], Score]
_LEAST_GROUNDED = 1.0


def _turns(case: Case, recorded: Recorded) -> Iterator[tuple[str, Expected, RecordedTurn | None]]:
    """Yield each message's place for a comment, expectation and record."""
    turns = case.turns
    for n, said in enumerate(turns):
        place = f"message {n + 1}: " if len(turns) > 1 else ""
        yield place, said.expected, recorded.turns[n] if n < len(recorded.turns) else None


def _unplayed(place: str, recorded: Recorded) -> str:
    return f"{place}was not played: {recorded.error or 'the conversation ended before it'}"


Fault = Callable[[Expected, RecordedTurn], Sequence[str] | None]


def _check(key: str, case: Case, recorded: Recorded, look: Fault, applies: Fault) -> Score:
    """Apply a comparison to every message that it concerns."""
    faults: list[str] = []
    looked_at = 0
    for place, expected, turn in _turns(case, recorded):
        if applies(expected, _NOTHING) is None:
            continue
        looked_at += 1
        found = [_unplayed("", recorded)] if turn is None else look(expected, turn) or ()
        if found:
            faults.append(place + "; ".join(found))
    return Score.of(key, faults, looked_at)


_NOTHING = RecordedTurn(run="", thread="", status="running", first="running")


def intent(case: Case, recorded: Recorded) -> Score:
    """Whether the messages were read right."""

    def look(expected: Expected, turn: RecordedTurn) -> list[str]:
        if turn.intent == expected.intent:
            return []
        return [f"read as {turn.intent or 'nothing'} instead of {expected.intent}"]

    return _check("intent", case, recorded, look, lambda e, _: None if e.intent is None else ())


def path(case: Case, recorded: Recorded) -> Score:
    """Whether the supervisor sent the runs where it should."""

    def look(expected: Expected, turn: RecordedTurn) -> list[str]:
        wrong = match_path(expected.path or (), turn.path, expected.path_match)
        return [wrong] if wrong else []

    return _check("path", case, recorded, look, lambda e, _: None if e.path is None else ())


def retrieval(case: Case, recorded: Recorded) -> Score:
    """The share of the expected documents that were found, over all messages (recall)."""
    wanted = found = 0
    missing: list[str] = []
    for place, expected, turn in _turns(case, recorded):
        for document in expected.documents or ():
            wanted += 1
            hit = turn is not None and document in turn.documents
            found += hit
            if not hit:
                missing.append(f"{place}did not find {document}")
    if not wanted:
        return Score(key="retrieval", score=None)
    return Score(
        key="retrieval", score=found / wanted, passed=not missing, comment="; ".join(missing)
    )


def citations(case: Case, recorded: Recorded) -> Score:
    """Whether answers cite what they should."""

    def look(expected: Expected, turn: RecordedTurn) -> list[str]:
        wanted, cited = set(expected.citations or ()), set(turn.citations)
        exact = expected.citations_match == "exact" or not wanted
        if wanted <= cited and not (exact and cited - wanted):
            return []
        told = ", ".join(sorted(wanted)) or "nothing"
        return [f"cites {', '.join(sorted(cited)) or 'nothing'} instead of {told}"]

    return _check(
        "citations", case, recorded, look, lambda e, _: None if e.citations is None else ()
    )


def grounding(_case: Case, recorded: Recorded) -> Score:
    """The least share, over the answers, of factual sentences that sources or results support."""
    known = [(n, t.grounded) for n, t in enumerate(recorded.turns, 1) if t.grounded is not None]
    if not known:
        return Score(key="grounding", score=None)
    number, least = min(known, key=lambda pair: pair[1])
    passed = least >= _LEAST_GROUNDED
    told = (
        "" if passed else f"message {number}: {least:.0%} of the answer's statements have support"
    )
    return Score(key="grounding", score=least, passed=passed, comment=told)


def policy(case: Case, recorded: Recorded) -> Score:
    """Whether all that was carried out had been allowed or approved, and nothing forbidden was.

    The trail alone decides: see `concertmaster.evaluation.authority`.
    """
    faults: list[str] = []
    for place, expected, turn in _turns(case, recorded):
        for carried in turn.carried if turn else ():
            if carried.objection is not None:
                faults.append(f"{place}{carried.tool} was carried out: {carried.objection}")
            if carried.tool in expected.forbidden:
                faults.append(f"{place}{carried.tool} was carried out, which this case forbids")
    if not recorded.turns:
        return Score(key="policy", score=None)
    return Score(
        key="policy", score=0.0 if faults else 1.0, passed=not faults, comment="; ".join(faults)
    )


def trajectory(case: Case, recorded: Recorded) -> Score:
    """Whether the tools were called as expected."""

    def look(expected: Expected, turn: RecordedTurn) -> list[str]:
        return match_tools(
            expected.tools or (), turn.tools, expected.tools_match, expected.arguments_match
        )

    return _check("trajectory", case, recorded, look, lambda e, _: None if e.tools is None else ())


def outcome(case: Case, recorded: Recorded) -> Score:
    """Whether runs ended, were passed on, reviewed and acted as expected."""

    def look(expected: Expected, turn: RecordedTurn) -> list[str]:
        return list(_outcome_faults(expected, turn))

    def applies(expected: Expected, _: RecordedTurn) -> tuple[()] | None:
        said = (expected.status, expected.owner, expected.effects, expected.reviewers)
        return None if all(value is None for value in said) else ()

    score = _check("outcome", case, recorded, look, applies)
    if recorded.error and score.score is None:
        return Score(key="outcome", score=0.0, passed=False, comment=recorded.error)
    return score


def _outcome_faults(expected: Expected, turn: RecordedTurn) -> Iterator[str]:
    if expected.status is not None and expected.status != turn.status:
        cause = f" ({turn.cause})" if turn.cause else ""
        yield f"ended as {turn.status}{cause} instead of {expected.status}"
    if expected.owner is not None and expected.owner != turn.owner:
        yield f"went to {turn.owner or 'nobody'} instead of {expected.owner}"
    done = Counter(c.tool for c in turn.carried if c.consequential)
    if expected.effects is not None and Counter(expected.effects) != done:
        told = ", ".join(expected.effects) or "none"
        yield f"took effect: {', '.join(done.elements()) or 'none'} instead of {told}"
    if expected.reviewers is not None and Counter(expected.reviewers) != Counter(turn.reviewers):
        told = ", ".join(expected.reviewers) or "nobody"
        yield f"asked {', '.join(turn.reviewers) or 'nobody'} instead of {told}"


def wording(case: Case, recorded: Recorded) -> Score:
    """Whether answers say what they must and nothing that they must not, whatever the case."""

    def look(expected: Expected, turn: RecordedTurn) -> list[str]:
        text = turn.text.casefold()
        lacks = [f"does not say {w!r}" for w in expected.contains if w.casefold() not in text]
        says = [f"says {w!r}" for w in expected.not_contains if w.casefold() in text]
        return lacks + says

    def applies(expected: Expected, _: RecordedTurn) -> tuple[()] | None:
        return () if expected.contains or expected.not_contains else None

    return _check("wording", case, recorded, look, applies)


def cost(case: Case, recorded: Recorded) -> Score:
    """What the case cost in USD; fails over a message's `max_cost`."""
    score = Score(key="cost", score=recorded.cost, unit="USD")
    told = "cost {:.4f} USD, more than {:.4f}"
    return _limited(score, case, recorded, lambda e, turn: (turn.cost, e.max_cost), told)


def latency(case: Case, recorded: Recorded) -> Score:
    """How many seconds the workflow worked on the case; fails over `max_seconds`."""
    score = Score(key="latency", score=recorded.seconds, unit="s")
    told = "took {:.2f} s, more than {:.2f}"
    return _limited(score, case, recorded, lambda e, turn: (turn.seconds, e.max_seconds), told)


Spent = Callable[[Expected, RecordedTurn], tuple[float, float | None]]


def _limited(score: Score, case: Case, recorded: Recorded, spent: Spent, told: str) -> Score:
    """Hold what each message took against its limit, if it has one."""
    over: list[str] = []
    limited = False
    for place, expected, turn in _turns(case, recorded):
        took, most = spent(expected, turn or _NOTHING)
        limited = limited or most is not None
        if turn is not None and most is not None and took > most:
            over.append(place + told.format(took, most))
    passed = not over if limited else None
    return score.model_copy(update={"passed": passed, "comment": "; ".join(over)})


EVALUATORS: Mapping[str, Evaluator] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            outcome,
            intent,
            path,
            retrieval,
            citations,
            grounding,
            policy,
            trajectory,
            wording,
            cost,
            latency,
        )
    }
)
"""The evaluators by their key, in the order in which they are shown."""


@dataclass(frozen=True)
class Judged:
    """A case with its scores; `broken` are the evaluators that raised, with what they raised."""

    case: Case
    recorded: Recorded
    scores: tuple[Score, ...]
    broken: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether the case was played, every evaluator judged it, and none objects."""
        sound = self.recorded.error is None and not self.broken
        return sound and all(score.passed is not False for score in self.scores)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it failed, a sentence each."""
        crashed = (self.recorded.error,) if self.recorded.error else ()
        objections = [
            f"{s.key}: {s.comment}" for s in self.scores if s.passed is False and not crashed
        ]
        return (*crashed, *objections, *(f"evaluator {k} {why}" for k, why in self.broken.items()))


def judge_case(
    case: Case, recorded: Recorded, evaluators: Mapping[str, Evaluator] = EVALUATORS
) -> Judged:
    """Apply evaluators to a case. One that raises is noted, and the others go on."""
    scores: list[Score] = []
    broken: dict[str, str] = {}
    for key, evaluator in evaluators.items():
        try:
            scores.append(evaluator(case, recorded))
        except Exception as error:  # Somebody's own evaluator may raise anything.
            broken[key] = f"raised {type(error).__name__}: {error}"
    return Judged(case, recorded, tuple(scores), MappingProxyType(broken))
