"""The way of one call through the gate, the same for sync and async callers."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp
from pydantic import ValidationError

from concertmaster.errors import ToolError, ToolUncertain
from concertmaster.graphs.langchain.asking import CannotAsk, request_of
from concertmaster.graphs.langchain.driving import Run, Step, Steps, There
from concertmaster.graphs.langchain.passing import (
    Asked,
    Cleared,
    Entered,
    Refused,
    Replayed,
    Told,
    Waiting,
)
from concertmaster.graphs.langchain.proposed import Proposed
from concertmaster.graphs.langchain.results import recorded, redacted, refusal, replayed, told

if TYPE_CHECKING:
    from concertmaster.graphs.langchain.governance import Governance

__all__ = ["passage"]


def passage(governance: Governance, proposed: Proposed) -> Steps:
    """Yield what has to be done for a call; return what the model gets to see of it.

    Raises:
        GraphInterrupt: the call waits for people.
        Exception: whatever the tool raises.
    """
    passing = governance.fitted(proposed)
    if isinstance(passing, Refused):
        yield from governance.clearing.refuse(proposed, passing.reasons)
        return refusal(proposed, passing.reasons)
    while True:
        entered: Entered = yield from governance.clearing.enter(passing)
        match entered:
            case Cleared():
                return (yield from _run(governance, entered))
            case Waiting():
                refused = yield from _reviewed(governance, entered)
                if refused is not None:
                    return refusal(proposed, refused.reasons)
            case Refused(reasons):
                return refusal(proposed, reasons)
            case Told(text):
                return told(proposed, text)
            case Replayed(kept):
                return replayed(proposed, kept)


def _reviewed(governance: Governance, waiting: Waiting) -> Generator[Step, Any, Refused | None]:
    """Ask people about a call; interrupts the graph until somebody answered."""
    passing, clearing = waiting.passing, governance.clearing
    try:
        if passing.proposed.thread is None or passing.proposed.task is None:
            raise CannotAsk
        attempt = governance.attempts.current()
    except CannotAsk:
        why = "it needs a reviewer, and here is no graph with a checkpointer that could wait"
        unasked: Refused = yield There(clearing.refuse_for_good(passing, (why,)))
        return unasked
    asked = waiting.asked
    mine = _open(asked, waiting)
    new = False
    if mine is None:
        new, asked = yield There(clearing.ask(passing, waiting.approval))
        mine = _open(asked, waiting)
    if mine is None:
        return Refused(("its review could not be asked for",))
    position = mine.question.position
    value = attempt.answer(position, lambda n: request_of(asked[n].approval))
    if new:
        # A value that was there before anybody asked answers another question.
        yield There(clearing.taken(passing, position))
        return None
    reviewer = passing.proposed.acting.reviewer
    answered = clearing.answered(waiting, position, value, reviewer)
    refused: Refused | None = yield There(answered)
    return refused


def _open(asked: tuple[Asked, ...], waiting: Waiting) -> Asked | None:
    """Return the question about this approval that is not answered yet."""
    for item in asked:
        if item.approval.id == waiting.approval.id and not item.question.answered:
            return item
    return None


def _run(governance: Governance, cleared: Cleared) -> Steps:
    passing, clearing = cleared.passing, governance.clearing
    proposed = passing.proposed
    try:
        _catch_up(governance, cleared)
        result = yield Run(passing)
    except GeneratorExit:
        raise  # whoever drives this is gone: the call stays begun, and so in doubt
    except GraphBubbleUp:
        yield from clearing.finish(passing, "paused")
        raise
    except ToolUncertain as error:
        yield from clearing.finish(passing, "in_doubt" if passing.tool.consequential else "failed")
        return told(proposed, error.message, status="error")
    except ToolError as error:
        yield from clearing.finish(passing, "failed", None, error.message)
        return told(proposed, error.message, status="error")
    except BaseException as error:
        certain = isinstance(error, ToolException | ValidationError)
        unsure = passing.tool.consequential and not certain
        yield from clearing.finish(passing, "in_doubt" if unsure else "failed")
        raise
    result = redacted(result, cleared.duties)
    failed = isinstance(result, ToolMessage) and result.status == "error"
    kept = recorded(result) if passing.tool.consequential else None
    yield from clearing.finish(passing, "failed" if failed else "done", kept)
    return result


def _catch_up(governance: Governance, cleared: Cleared) -> None:
    """Take the answers of this call's review again, so that the tool's own questions get theirs."""
    position = cleared.passing.proposed.position
    mine = [
        a.question.position
        for a in cleared.asked
        if a.question.answered and a.approval.run == position
    ]
    if mine:
        attempt = governance.attempts.current()
        attempt.answer(max(mine), lambda n: request_of(cleared.asked[n].approval))
