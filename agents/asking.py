"""Asking a model on behalf of a step, with the trail and the costs around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from concertmaster.agents.exchange import exchange
from concertmaster.contracts import Usage
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ModelError
from concertmaster.policies.redaction import in_words

if TYPE_CHECKING:
    from concertmaster.agents.task import Task
    from concertmaster.models.registry import Choice, Reply

__all__ = ["ask", "chosen", "spent"]

_SHARE = 0.8
_LONGEST = 60.0


def chosen(task: Task) -> Choice:
    """Return the model for what the step needs, or none, with the reason."""
    need = task.step.model
    return task.services.models.choose(need if isinstance(need, ModelNeed) else None)


async def ask(
    task: Task,
    choice: Choice,
    messages: Sequence[Mapping[str, Any]],
    *,
    why: str,
    tools: Sequence[Mapping[str, Any]] | None = None,
    schema: Mapping[str, Any] | None = None,
) -> tuple[Reply, Usage]:
    """Return the chosen model's reply and what the turn has then spent.

    It gets four fifths of the step's time, so that the step can still do without it.

    Args:
        task: whose step asks.
        choice: what `chosen` returned.
        messages: the question.
        why: what the model is asked for, for the trail.
        tools: functions to propose calls of, in OpenAI's form.
        schema: the form of a structured answer.

    Raises:
        ModelError: the model failed; that is in the trail then.
    """
    name = choice.model.name if choice.model else None
    task.record("model.chosen", why=choice.reason, model=name)
    try:
        reply, hidden = await exchange(
            task.services,
            choice,
            messages,
            tools=tools,
            schema=schema,
            seconds=_SHARE * (task.step.timeout or _LONGEST),
        )
    except ModelError as error:
        task.record("model.failed", why=error.message, model=name)
        raise
    if hidden:
        why_hidden = f"hidden from {name}: {in_words(hidden)}"
        task.record("value.redacted", why=why_hidden, kinds={f.kind: f.count for f in hidden})
    task.record(
        "model.called",
        why=why,
        model=name,
        calls=len(reply.tool_calls),
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost=reply.usage.cost,
    )
    return reply, task.turn.usage.plus(spent(reply))


def spent(reply: Reply) -> Usage:
    """Return what one reply cost."""
    return Usage(
        model_calls=1,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost=reply.usage.cost or 0.0,
    )
