"""Asking a model on behalf of a step, with the trail and the costs around it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from concertmaster.agents.budgeting import OutOfModels, OutOfMoney, Payer, Purse, spend
from concertmaster.agents.exchange import exchange
from concertmaster.agents.fitting import Fitted, Prompt, Unfit, fit
from concertmaster.contracts import Label, Usage
from concertmaster.contracts.failure import UNASKED
from concertmaster.contracts.steps import ModelNeed
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models.prices import expected
from concertmaster.policies.redaction import in_words

if TYPE_CHECKING:
    from concertmaster.agents.task import Task
    from concertmaster.contracts.budget import Measure
    from concertmaster.models.registry import Choice, Reply

__all__ = ["Asked", "ask", "ask_for", "chosen", "composed"]

_SHARE = 0.8
_PART = 0.5
_LONGEST = 60.0
_OF_INTENT = {"name", "in_scope", "acts", "owner"}
_OF_PRINCIPAL = {"id", "roles", "groups", "tenant"}


class Asked(NamedTuple):
    """A reply, what was spent, and the label of everything that the model read for it."""

    reply: Reply
    usage: Usage
    label: Label


def chosen(task: Task, prompt: Prompt) -> Choice:
    """Return the model for what the step needs and is about to ask, or none, with the reason.

    Where models could serve the step and none may be asked this, the reason is in the trail.
    """
    need, models = task.step.model, task.services.models
    if not isinstance(need, ModelNeed) or not models.configured:
        return models.choose(need)
    call = prompt.call(need.output)
    if need.sticky:
        call = replace(call, last=_last(task))
    known = {
        **_known(task, need),
        "confidentiality": call.confidentiality.name,
        "tokens": call.tokens,
    }
    choice = models.choose(need, call, known)
    if choice.model is None and models.choose(need, known=known).model is not None:
        task.record("model.failed", why=choice.reason, model=None)
    return choice


def composed(task: Task, label: Label) -> dict[str, Any]:
    """Return what a turn keeps of what a model read that wrote something in it."""
    before, summary = task.turn.composed, task.turn.summary
    kept = {} if summary is None else {"summary": summary}
    return {"composed": label if before is None else before.join(label), **kept}


async def ask(
    task: Task,
    choice: Choice,
    prompt: Prompt,
    *,
    why: str,
) -> Asked:
    """Return a model's reply and what the turn has then spent.

    Models get four fifths of the step's time, so that the step can still do without them.

    Args:
        task: whose step asks.
        choice: what `chosen` returned.
        prompt: the question.
        why: what the model is asked for, for the trail.

    Raises:
        ModelError: every model that fits failed; each failure is in the trail then.
        BudgetReached: a budget ends the run.
    """
    seconds = _SHARE * (task.step.timeout or _LONGEST)
    asked = await ask_for(task, choice, prompt, why=why, seconds=seconds)
    need = task.step.model
    if isinstance(need, ModelNeed) and need.sticky:
        task.answered[task.step.id] = asked.reply.model
    return asked._replace(usage=task.turn.usage.plus(asked.usage))


async def ask_for(
    asker: Payer,
    choice: Choice,
    prompt: Prompt,
    *,
    why: str,
    seconds: float,
) -> Asked:
    """Return a model's reply and what asking cost.

    The chosen model is asked first, then the next best of those that fit, while time is left. Each
    gets as much of the prompt as it holds and is cleared for. One that declares no `timeout` leaves
    half of the time to those that come after it. Models that have reached their rate are passed
    over, and waited for where no other answers.

    Args:
        asker: on whose behalf.
        choice, prompt, why: as for `ask`.
        seconds: for all models together.

    Raises:
        ModelError: as for `ask`.
    """
    failure: ModelError | None = None
    deadline = time.monotonic() + seconds
    waiting = [(one, False) for one in choice.each()]
    limited: list[tuple[float, Choice]] = []
    while waiting:
        (one, wait), *waiting = waiting
        left = deadline - time.monotonic()
        if left <= 0:
            break
        part = _part(one, left, followed=bool(waiting))
        try:
            return await _ask(asker, one, prompt, why, part, wait=wait)
        except OutOfModels:
            raise
        except ModelError as error:
            # What may pass is told before what cannot: it decides whether the step is tried again.
            if failure is None or failure.kind == "unfit" or error.kind != "unfit":
                failure = error
            asker.record("model.failed", why=error.message, model=_name(one), kind=error.kind)
            if error.kind == "limited" and not wait:
                limited.append((error.rest or 0.0, one))
        if not waiting and limited:
            soonest = sorted(limited, key=lambda one: one[0])
            waiting, limited = [(later, True) for _, later in soonest], []
    raise failure or ModelUnavailable(choice.reason, kind=choice.kind)


def _part(choice: Choice, left: float, *, followed: bool) -> float:
    """Return how many of the seconds left a model gets."""
    bounded = choice.model is not None and choice.model.spec.timeout is not None
    return left * _PART if followed and not bounded else left


async def _ask(
    asker: Payer, choice: Choice, prompt: Prompt, why: str, seconds: float, *, wait: bool
) -> Asked:
    name = _name(choice)
    fitted = _fitted(asker, choice, prompt)
    spending = asker.services.spending
    if spending is not None and spending.counts("money") and choice.price is None:
        raise OutOfMoney(f"{name} has no known price, and money is bounded", kind="unfit")
    async with spend(asker, _estimate(choice, fitted.tokens)) as purse:
        asker.record(
            "model.chosen",
            why=_with(choice.reason, fitted.left_out),
            model=name,
            tokens=fitted.tokens,
            confidentiality=fitted.label.confidentiality.name,
            left_out=list(fitted.left_out),
        )
        try:
            reply, hidden = await exchange(
                asker.services,
                choice,
                fitted.messages,
                label=fitted.label,
                tools=prompt.tools or None,
                schema=prompt.schema,
                seconds=seconds,
                wait=wait,
            )
        except ModelError as error:
            _settle_failed(purse, error)
            raise
        _settle(purse, reply)
    if choice.model is not None:
        asker.services.gauge.learn(
            choice.model.spec.key, estimated=fitted.estimated, reported=reply.usage.input_tokens
        )
    if hidden:
        why_hidden = f"hidden from {name}: {in_words(hidden)}"
        asker.record("value.redacted", why=why_hidden, kinds={f.kind: f.count for f in hidden})
    asker.record(
        "model.called",
        why=_with(why, fitted.left_out),
        model=name,
        calls=len(reply.tool_calls),
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cached_tokens=reply.usage.cached_tokens,
        cost=reply.usage.cost,
    )
    return Asked(reply, _spent(reply), fitted.label)


def _fitted(asker: Payer, choice: Choice, prompt: Prompt) -> Fitted:
    """Return as much of a prompt as a model holds and is cleared for.

    Raises:
        ModelUnavailable: it does not hold the least of it, or may not see it.
    """
    if choice.model is None:
        raise ModelUnavailable(choice.reason, kind=choice.kind)
    spec, gauge = choice.model.spec, asker.services.gauge
    fitted = fit(prompt, spec, _output(choice), lambda n: gauge.count(spec.key, n))
    if isinstance(fitted, Unfit):
        raise ModelUnavailable(f"{spec.name} {fitted.why}", kind="unfit")
    return fitted


def _with(why: str, left_out: tuple[str, ...]) -> str:
    return f"{why}; left out {', '.join(left_out)}" if left_out else why


def _output(choice: Choice) -> int:
    most = choice.model.spec.output if choice.model else None
    return min(choice.output, most or choice.output)


def _estimate(choice: Choice, tokens: int) -> dict[Measure, float]:
    """Return what asking is expected to spend; money only where the price is known."""
    output = _output(choice)
    cost = expected(choice.price, tokens, output)
    return {
        "tokens": tokens + output,
        "money": 0.0 if cost is None else cost,
        "model_calls": 1,
        "seconds": 0,
    }


def _settle(purse: Purse, reply: Reply) -> None:
    usage = reply.usage
    purse.spent["tokens"] = usage.input_tokens + usage.output_tokens
    if usage.cost is not None:
        purse.spent["money"] = usage.cost


def _settle_failed(purse: Purse, error: ModelError) -> None:
    """Settle what the attempts used up; the estimate stays where nobody knows."""
    spent = error.spent
    if spent is None and error.kind is None and isinstance(error, ModelUnavailable):
        spent = Usage()
    if error.kind in UNASKED:
        spent, purse.spent["model_calls"] = Usage(), 0
    if spent is not None:
        purse.spent["tokens"] = spent.input_tokens + spent.output_tokens
        purse.spent["money"] = spent.cost


def _known(task: Task, need: ModelNeed) -> dict[str, Any]:
    """Return what the conditions of a workspace's rules may refer to."""
    intent, principal = task.turn.intent, task.session.principal
    return {
        "step": task.step.id,
        "need": need.need,
        "risk": _risk(task),
        "confidentiality": task.turn.label.confidentiality.name,
        "tokens": None,
        "turns": sum(message.role == "user" for message in task.messages),
        "intent": intent.model_dump(include=_OF_INTENT) if intent else None,
        "principal": principal.model_dump(mode="json", include=_OF_PRINCIPAL),
    }


def _risk(task: Task) -> str | None:
    """Return what the workspace says of the intent's risk; None while no intent is known."""
    named = task.turn.intent.name if task.turn.intent else None
    intents = task.services.spec.intents.intents
    return next((intent.risk for intent in intents if intent.name == named), None)


def _last(task: Task) -> str | None:
    """Return the model that answered this step last on the thread. It is a wish, no authority."""
    step = task.step.id
    return task.turn.models.get(step) or task.memory.models.get(step)


def _name(choice: Choice) -> str | None:
    return choice.model.name if choice.model else None


def _spent(reply: Reply) -> Usage:
    """Return what one reply cost."""
    return Usage(
        model_calls=1,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cached_tokens=reply.usage.cached_tokens,
        cost=reply.usage.cost or 0.0,
    )
