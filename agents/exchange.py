"""One exchange with a model: what may not leave this machine is hidden, and put back afterwards.

A model that is cleared for restricted data (one on this machine, or one declared so) reads the
prompt as it is. Any other gets numbered marks such as `[email-1]`; where it writes a mark, the
value is filled in. Credentials are never filled in.

This is the last place before a prompt leaves: a model that is not cleared for its label is not
asked, whoever chose it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from concertmaster.agents.clearance import known, uncleared
from concertmaster.contracts import Confidentiality, Label
from concertmaster.errors import ModelUnavailable
from concertmaster.policies.redaction import Finding

if TYPE_CHECKING:
    from concertmaster.agents.task import Services
    from concertmaster.models.registry import Choice, Reply

__all__ = ["exchange"]


async def exchange(
    services: Services,
    choice: Choice,
    messages: Sequence[Mapping[str, Any]],
    *,
    label: Label | None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    schema: Mapping[str, Any] | None = None,
    seconds: float,
    wait: bool = True,
) -> tuple[Reply, tuple[Finding, ...]]:
    """Return the model's reply, and how many values of each kind were hidden from it.

    What the model wrote itself of cards and credentials is taken out, as it would be stored.

    Args:
        services: the rooms of the workspace.
        choice: the model.
        messages, tools, schema: the question.
        label: the join of the labels of everything in the messages; None counts as restricted.
        seconds: for all attempts.
        wait: where the model's rate is reached, wait for a place in that time.

    Raises:
        ModelUnavailable: the model is not cleared for what the messages hold.
        ModelError: the model failed.
    """
    if choice.model is not None:
        why = uncleared(choice.model.spec, known(label))
        if why is not None:
            raise ModelUnavailable(f"{choice.model.name} {why}", kind="unfit")
    cleared = choice.model is None or choice.model.spec.clearance >= Confidentiality.restricted
    masking = None if cleared else services.redaction.masking()
    reply = await services.models.complete(
        choice,
        masking.hide(list(messages)) if masking else messages,
        tools=tools,
        schema=schema,
        timeout=seconds,
        wait=wait,
    )

    def read(value: Any) -> Any:
        shown = masking.show(value) if masking else value
        return services.redaction.stored.clean(shown)

    calls = tuple(replace(c, arguments=read(c.arguments)) for c in reply.tool_calls)
    data = None if reply.data is None else read(reply.data)
    hidden = masking.hidden if masking else ()
    return replace(reply, text=read(reply.text), tool_calls=calls, data=data), hidden
