"""Comparing what happened with what should have: sequences, calls and their arguments. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.contracts import canonical
from concertmaster.evaluation.cases import ArgumentsMatch, ExpectedCall, PathMatch, ToolsMatch
from concertmaster.evaluation.recorded import Called

__all__ = ["match_path", "match_tools", "same_call"]


def match_path(wanted: Sequence[str], taken: Sequence[str], mode: PathMatch) -> str | None:
    """Return what is wrong with a path, in words; None if it fits.

    >>> match_path(("a", "c"), ("a", "b", "c"), "in_order") is None
    True
    >>> match_path(("a", "c"), ("a", "b", "c"), "exact")
    'took a > b > c instead of a > c'
    """
    shown, asked = " > ".join(taken) or "no step", " > ".join(wanted) or "no step"
    if mode == "exact":
        return None if list(wanted) == list(taken) else f"took {shown} instead of {asked}"
    if mode == "contains":
        missing = [step for step in dict.fromkeys(wanted) if step not in taken]
        return f"took {shown}, without {', '.join(missing)}" if missing else None
    rest = iter(taken)
    inside = all(step in rest for step in wanted)
    return None if inside else f"took {shown}, in which {asked} is not contained in this order"


def same_call(wanted: ExpectedCall, made: Called, mode: ArgumentsMatch) -> bool:
    """Tell whether a call is the expected one."""
    if wanted.tool != made.tool or wanted.status not in (None, made.status):
        return False
    if wanted.arguments is None or mode == "ignore":
        return True
    if mode == "exact":
        return canonical(wanted.arguments) == canonical(made.arguments)
    return all(
        name in made.arguments and canonical(value) == canonical(made.arguments[name])
        for name, value in wanted.arguments.items()
    )


def match_tools(
    wanted: Sequence[ExpectedCall],
    made: Sequence[Called],
    mode: ToolsMatch,
    arguments: ArgumentsMatch,
) -> list[str]:
    """Return what is wrong with a trajectory of tool calls, in words.

    Each call stands for one expected call at most.

    Args:
        wanted: what is expected.
        made: what was called.
        mode: `strict` (the same, in order), `unordered`, `subset` (nothing but these), `superset`
            (at least these).
        arguments: how arguments are compared.
    """
    if mode == "strict":
        pairs = list(zip(wanted, made, strict=False))
        alike = len(wanted) == len(made) and all(same_call(w, m, arguments) for w, m in pairs)
        return [] if alike else [f"called {_calls(made)} instead of {_wanted(wanted)}"]
    missing, extra = _assigned(wanted, made, arguments)
    faults = []
    if missing and mode != "subset":
        faults.append(f"did not call {_wanted(missing)}")
    if extra and mode != "superset":
        faults.append(f"called {_calls(extra)} besides")
    return faults


def _assigned(
    wanted: Sequence[ExpectedCall], made: Sequence[Called], arguments: ArgumentsMatch
) -> tuple[list[ExpectedCall], list[Called]]:
    """Return what is left over of both when as many as possible are paired (Kuhn's algorithm)."""
    taken: dict[int, int] = {}

    def place(n: int, tried: set[int]) -> bool:
        for m, call in enumerate(made):
            if m in tried or not same_call(wanted[n], call, arguments):
                continue
            tried.add(m)
            if m not in taken or place(taken[m], tried):
                taken[m] = n
                return True
        return False

    missing = [wanted[n] for n in range(len(wanted)) if not place(n, set())]
    return missing, [call for m, call in enumerate(made) if m not in taken]


def _calls(calls: Sequence[Called]) -> str:
    return ", ".join(f"{c.tool}({_arguments(c.arguments)}) {c.status}" for c in calls) or "nothing"


def _wanted(calls: Sequence[ExpectedCall]) -> str:
    return (
        ", ".join(
            f"{c.tool}({_arguments(c.arguments) if c.arguments is not None else '…'})"
            f"{f' {c.status}' if c.status else ''}"
            for c in calls
        )
        or "nothing"
    )


def _arguments(arguments: dict[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
