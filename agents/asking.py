"""Asking a model on behalf of a step, with the trail and the costs around it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.agents.budgeting import OutOfModels, OutOfMoney, Payer, Purse, spend
from concertmaster.agents.exchange import exchange
from concertmaster.contracts import Usage
from concertmaster.contracts.steps import ModelNeed
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models.counting import estimate
from concertmaster.models.prices import expected
from concertmaster.policies.redaction import in_words

if TYPE_CHECKING:
    from concertmaster.agents.task import Task
    from concertmaster.contracts.budget import Measure
    from concertmaster.models.registry import Choice, Reply

__all__ = ["ask", "ask_for", "chosen"]

_SHARE = 0.8
_LONGEST = 60.0
_OF_INTENT = {"name", "in_scope", "acts", "owner"}
_OF_PRINCIPAL = {"id", "roles", "groups", "tenant"}


def chosen(task: Task) -> Choice:
    """Return the model for what the step needs, or none, with the reason."""
    need = task.step.model
    if not isinstance(need, ModelNeed):
        return task.services.models.choose(None)
    return task.services.models.choose(need, known=_known(task, need))


async def ask(
    task: Task,
    choice: Choice,
    messages: Sequence[Mapping[str, Any]],
    *,
    why: str,
    tools: Sequence[Mapping[str, Any]] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> tuple[Reply, Usage]:
    """Return a model's reply and what the turn has then spent.

    Models get four fifths of the step's time, so that the step can still do without them.

    Args:
        task: whose step asks.
        choice: what `chosen` returned.
        messages: the question.
        why: what the model is asked for, for the trail.
        tools: functions to propose calls of, in OpenAI's form.
        schema: the form of a structured answer.

    Raises:
        ModelError: every model that fits failed; each failure is in the trail then.
        BudgetReached: a budget ends the run.
    """
    seconds = _SHARE * (task.step.timeout or _LONGEST)
    reply, usage = await ask_for(
        task, choice, messages, why=why, tools=tools, schema=schema, seconds=seconds
    )
    return reply, task.turn.usage.plus(usage)


async def ask_for(
    asker: Payer,
    choice: Choice,
    messages: Sequence[Mapping[str, Any]],
    *,
    why: str,
    tools: Sequence[Mapping[str, Any]] | None = None,
    schema: Mapping[str, Any] | None = None,
    seconds: float,
) -> tuple[Reply, Usage]:
    """Return a model's reply and what asking cost.

    The chosen model is asked first, then the next best of those that fit, while time is left.

    Args:
        asker: on whose behalf.
        choice, messages, why, tools, schema: as for `ask`.
        seconds: for all models together.

    Raises:
        ModelError: as for `ask`.
    """
    question = _Question(messages=messages, why=why, tools=tools, schema=schema)
    failure: ModelError = ModelUnavailable(choice.reason)
    deadline = time.monotonic() + seconds
    for one in choice.each():
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            return await _ask(asker, one, question, left)
        except OutOfModels:
            raise
        except ModelError as error:
            failure = error
            asker.record("model.failed", why=error.message, model=_name(one))
    raise failure


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked, and what for."""

    messages: Sequence[Mapping[str, Any]]
    why: str
    tools: Sequence[Mapping[str, Any]] | None
    schema: Mapping[str, Any] | None


async def _ask(
    asker: Payer, choice: Choice, question: _Question, seconds: float
) -> tuple[Reply, Usage]:
    name = _name(choice)
    spending = asker.services.spending
    if spending is not None and spending.counts("money") and choice.price is None:
        raise OutOfMoney(f"{name} has no known price, and money is bounded")
    async with spend(asker, _estimate(choice, question)) as purse:
        asker.record("model.chosen", why=choice.reason, model=name)
        started = time.monotonic()
        try:
            reply, hidden = await exchange(
                asker.services,
                choice,
                question.messages,
                tools=question.tools,
                schema=question.schema,
                seconds=seconds,
            )
        except ModelUnavailable:
            purse.spent["tokens"] = purse.spent["money"] = 0
            raise
        finally:
            purse.spent["seconds"] = time.monotonic() - started
        _settle(purse, reply)
    if hidden:
        why_hidden = f"hidden from {name}: {in_words(hidden)}"
        asker.record("value.redacted", why=why_hidden, kinds={f.kind: f.count for f in hidden})
    asker.record(
        "model.called",
        why=question.why,
        model=name,
        calls=len(reply.tool_calls),
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost=reply.usage.cost,
    )
    return reply, _spent(reply)


def _estimate(choice: Choice, question: _Question) -> dict[Measure, float]:
    """Return what asking is expected to spend; money only where the price is known."""
    tokens = estimate(question.messages, question.tools or (), question.schema)
    output, price = choice.output, None
    if choice.model is not None:
        output = min(output, choice.model.spec.output or output)
        price = choice.price
    cost = expected(price, tokens, output)
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


def _known(task: Task, need: ModelNeed) -> dict[str, Any]:
    """Return what the conditions of a workspace's rules may refer to."""
    intent, principal = task.turn.intent, task.session.principal
    return {
        "step": task.step.id,
        "need": need.need,
        "risk": None,
        "confidentiality": task.turn.label.confidentiality.name,
        "tokens": None,
        "turns": sum(message.role == "user" for message in task.messages),
        "intent": intent.model_dump(include=_OF_INTENT) if intent else None,
        "principal": principal.model_dump(mode="json", include=_OF_PRINCIPAL),
    }


def _name(choice: Choice) -> str | None:
    return choice.model.name if choice.model else None


def _spent(reply: Reply) -> Usage:
    """Return what one reply cost."""
    return Usage(
        model_calls=1,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost=reply.usage.cost or 0.0,
    )
