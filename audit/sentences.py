"""How each type of event is said. A function returns None where there is nothing worth saying."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from concertmaster.contracts import AuditEvent

__all__ = ["LEFT_OUT", "TOLD", "Telling"]

LEFT_OUT = frozenset(
    {
        "run.started",
        "model.chosen",
        "audit.erased",
        "audit.rotated",
        "retention.pruned",
        "feedback.given",
        "feedback.reviewed",
        "home.taken",
        "home.restored",
    }
)
"""Types of which a run's story says nothing: what follows from them is told instead."""


@dataclass
class Telling:
    """What was told so far. `asked` is the message as it may be quoted."""

    asked: str | None = None
    decided: dict[Any, tuple[Any, ...]] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)


def _received(event: AuditEvent, telling: Telling) -> str:
    who = event.on_behalf_of or "somebody"
    if telling.asked is None:
        return f"{_moment(event.time)}, {who} sent {event.why}; its text is not kept any more"
    return f"{_moment(event.time)}, {who} asked: “{telling.asked}”"


def _labelled(event: AuditEvent, _: Telling) -> str | None:
    if event.why == "a message of its own":
        return None
    return f"It was read together with what came before: {event.why}"


def _classified(event: AuditEvent, _: Telling) -> str:
    if not event.data.get("in_scope"):
        return f"It was taken for nothing that this desk does: {event.why}"
    sure = event.data.get("confidence")
    share = f", {round(sure * 100)} percent sure" if isinstance(sure, int | float) else ""
    return f"It was taken for {event.data.get('intent')}{share}: {event.why}"


def _retrieved(event: AuditEvent, _: Telling) -> str:
    documents = _texts(event.data.get("documents"))
    if not documents:
        return f"No document that this person may read was found: {event.why}"
    enough = "" if event.data.get("sufficient") else ", which was not enough for an answer"
    return f"Found in {_listed(documents)}{enough}: {event.why}"


def _hopped(event: AuditEvent, _: Telling) -> str | None:
    to = event.data.get("to")
    if to not in ("escalate", "refuse"):
        return None
    owner = event.data.get("owner")
    whom = f" to {owner}" if owner else ""
    verb = f"It was passed on{whom}" if to == "escalate" else "It was refused"
    return f"{verb}: {event.why}"


def _asked_model(event: AuditEvent, _: Telling) -> str:
    return f"Where to go was asked of a model, and it went to {event.data.get('to')}: {event.why}"


def _called_model(event: AuditEvent, _: Telling) -> str:
    read, wrote = event.data.get("input_tokens"), event.data.get("output_tokens")
    spent = f" ({read} tokens in, {wrote} out)" if read is not None and wrote is not None else ""
    return f"The model {event.data.get('model')} was called{spent}: {event.why}"


def _model_failed(event: AuditEvent, _: Telling) -> str:
    name = event.data.get("model")
    return f"The model {name} failed: {event.why}" if name else f"No model was asked: {event.why}"


def _proposed(event: AuditEvent, _: Telling) -> str | None:
    tool = event.data.get("tool")
    return f"The {event.actor} proposed {tool}: {event.why}" if tool else None


def _decided(event: AuditEvent, telling: Telling) -> str | None:
    data = event.data
    place = (data.get("position"), data.get("call"))
    decision = (data.get("decision"), tuple(_texts(data.get("policies"))), data.get("bundle"))
    before = telling.decided.get(place)
    telling.decided[place] = decision
    if before is not None and event.actor == "act":
        approval = data.get("approval")
        if before == decision and approval:
            return f"When {data.get('tool')} was to run it was decided again, and {approval} holds"
        if before == decision:
            return None
        return f"When it was to run it was decided again, and otherwise. {_decision(event)}"
    return _decision(event)


def _decision(event: AuditEvent) -> str:
    data = event.data
    rules, tool = _rules(_texts(data.get("policies"))), data.get("tool")
    match data.get("decision"):
        case "allow":
            said = f"{rules} allowed {tool}"
        case "review":
            said = f"{rules} sent {tool} to {_needs(data.get('needs'))}"
        case other:
            said = f"{rules} decided {other} for {tool}"
    return f"{said}: {event.why}{_origins(data.get('provenance'))}"


def _refused_call(event: AuditEvent, telling: Telling) -> str:
    data = event.data
    telling.decided[data.get("position"), data.get("call")] = ("deny",)
    tool = data.get("tool") or "A call"
    policies = _texts(data.get("policies"))
    by = f" by {_rules(policies).lower()}" if policies else ""
    return f"{tool} was refused{by}: {event.why}{_origins(data.get('provenance'))}"


def _noticed(event: AuditEvent, _: Telling) -> str:
    return f"As a policy has it, {event.why}"


def _redacted(event: AuditEvent, _: Telling) -> str:
    return f"Something was withheld: {event.why}"


def _endorsed(event: AuditEvent, _: Telling) -> str:
    values = event.data.get("values") or ()
    paths = [str(v.get("path")) for v in values if isinstance(v, Mapping)]
    which = f" ({_listed(paths)})" if paths else ""
    return f"{event.why}{which}"


def _requested(event: AuditEvent, telling: Telling) -> str:
    approval = str(event.data.get("approval"))
    telling.waiting[approval] = event.time
    return (
        f"So {event.data.get('tool')} waited for {_needs(event.data.get('needs'))}, as {approval}"
    )


def _answered(event: AuditEvent, telling: Telling) -> str:
    data = event.data
    approval, answer = str(data.get("approval")), str(data.get("answer"))
    verbs = {
        "approve": "approved it",
        "edit": "approved it with other arguments",
        "reject": "rejected it",
        "respond": "answered in its place",
    }
    role = f", as {data['role']}," if data.get("role") else ""
    silent = f"{event.actor} answered: {answer}"
    words = " without a word" if event.why == silent else f" with the words “{event.why}”"
    after = _after(telling.waiting.get(approval), event.time)
    more = "; more answers were needed" if data.get("status") == "pending" else ""
    return (
        f"{after}{event.actor}{role} {verbs.get(answer, f'gave the answer {answer}')}{words}{more}"
    )


def _turned_away(event: AuditEvent, _: Telling) -> str:
    return f"An answer of {event.actor} was turned away: {event.why}"


def _voided(event: AuditEvent, _: Telling) -> str:
    return f"The approval {event.data.get('approval')} became void: {event.why}"


def _missed(event: AuditEvent, _: Telling) -> str:
    return f"The time for approval {event.data.get('approval')} was over: {event.why}"


def _taken_on(event: AuditEvent, _: Telling) -> str:
    return f"{event.actor} took approval {event.data.get('approval')} on"


def _let_go(event: AuditEvent, _: Telling) -> str:
    return f"{event.actor} let go of approval {event.data.get('approval')}"


def _begun(event: AuditEvent, _: Telling) -> str | None:
    return event.why if (event.data.get("attempt") or 1) > 1 else None


def _took_effect(event: AuditEvent, _: Telling) -> str:
    tool = event.data.get("tool")
    plain = f"{tool} took effect"
    return plain if event.why == plain else f"{plain}: {event.why}"


def _had_no_effect(event: AuditEvent, _: Telling) -> str:
    return f"{event.data.get('tool')} had no effect: {event.why}"


def _doubted(event: AuditEvent, _: Telling) -> str:
    return f"Whether {event.data.get('tool')} took effect is not known: {event.why}"


def _reused(event: AuditEvent, _: Telling) -> str:
    return f"{event.data.get('tool')} had taken effect before and was not made again"


def _called(event: AuditEvent, _: Telling) -> str:
    tool = event.data.get("tool")
    if event.data.get("status") == "done":
        return event.why if event.why == f"{tool} answered" else f"{tool} answered: {event.why}"
    return f"{tool} failed: {event.why}"


def _composed(event: AuditEvent, _: Telling) -> str:
    cited = _texts(event.data.get("cited"))
    sources = f", citing {_listed(cited)}" if cited else ""
    how = event.data.get("method")
    ways = {
        "template": "put together from a template",
        "model": "written by a model",
        "extractive": "taken word for word from documents",
    }
    return f"The answer was {ways.get(str(how), f'composed as {how}')}{sources}"


def _judged(event: AuditEvent, _: Telling) -> str:
    status = event.data.get("status")
    reason = "" if event.why == f"verdict: {status}" else f": {event.why}"
    verdicts = {
        "pass": "The check let it through",
        "revise": "The check sent it back",
        "escalate": "The check held it back",
    }
    return f"{verdicts.get(str(status), f'The check said {status}')}{reason}"


def _ended(event: AuditEvent, _: Telling) -> str:
    status = str(event.data.get("status") or "ended").replace("_", " ")
    owner = event.data.get("owner")
    whom = f" to {owner}" if owner and status == "escalated" else ""
    plain = event.why == f"ended as {event.data.get('status')}"
    cause = "" if plain else f": {event.why.removeprefix(f'{status}: ')}"
    cost = _cost(event.data.get("usage"))
    return f"The run ended as {status}{whom}{cause}{f'. {cost}' if cost else ''}"


def _as_it_says(prefix: str) -> Callable[[AuditEvent, Telling], str]:
    return lambda event, telling: f"{prefix}{event.why}"


TOLD: Mapping[str, Callable[[AuditEvent, Telling], str | None]] = {
    "run.received": _received,
    "run.queued": _as_it_says("It had to wait: "),
    "run.recovered": _as_it_says("The run was taken up again: "),
    "run.cancelled": _as_it_says("The run was cancelled: "),
    "run.ended": _ended,
    "intake.labelled": _labelled,
    "route.hop": _hopped,
    "route.ask": _asked_model,
    "intent.classified": _classified,
    "retrieval.done": _retrieved,
    "model.called": _called_model,
    "model.failed": _model_failed,
    "plan.proposed": _proposed,
    "policy.decided": _decided,
    "policy.notice": _noticed,
    "value.redacted": _redacted,
    "value.endorsed": _endorsed,
    "approval.requested": _requested,
    "approval.answered": _answered,
    "approval.refused": _turned_away,
    "approval.voided": _voided,
    "approval.overdue": _missed,
    "approval.claimed": _taken_on,
    "approval.released": _let_go,
    "approval.untold": _as_it_says("Of what waited nobody outside was told: "),
    "tool.refused": _refused_call,
    "effect.intended": _begun,
    "effect.done": _took_effect,
    "effect.failed": _had_no_effect,
    "effect.in_doubt": _doubted,
    "effect.reused": _reused,
    "tool.called": _called,
    "step.failed": _as_it_says("A step could not do its part: "),
    "step.custom": _as_it_says("A step of the workspace's own ran: "),
    "draft.composed": _composed,
    "critic.judged": _judged,
    "knowledge.ingested": _as_it_says("The documents were brought up to date: "),
    "audit.unsigned": _as_it_says("While it ran, "),
}
"""The sentence of each type."""


def _moment(time: str) -> str:
    try:
        at = datetime.fromisoformat(time).astimezone(UTC)
    except ValueError:
        return f"At {time}"
    return f"On {at.day} {at:%B %Y} at {at:%H:%M} UTC"


def _after(since: str | None, until: str) -> str:
    """Return `After 3 minutes, `, or nothing where it cannot be told or was at once."""
    try:
        seconds = (
            datetime.fromisoformat(until) - datetime.fromisoformat(since or "")
        ).total_seconds()
    except (ValueError, TypeError):
        return ""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            number = int(seconds // size)
            return f"After {number} {unit}{'s' * (number != 1)}, "
    return ""


def _rules(policies: Sequence[str]) -> str:
    if not policies:
        return "The policies"
    return f"Rule{'s' * (len(policies) > 1)} {_listed(policies)}"


def _needs(needs: object) -> str:
    said = []
    for need in needs if isinstance(needs, list | tuple) else ():
        role, count = need.get("role"), need.get("count", 1)
        people = "somebody" if count == 1 else f"{count} people"
        said.append(f"{people} with the role {role}")
    return _listed(said) or "a person"


def _origins(provenance: object) -> str:
    """Say which values nothing proved; nothing where that did not matter."""
    if not isinstance(provenance, Mapping):
        return ""
    said = []
    if untrusted := _texts(provenance.get("untrusted")):
        said.append(f"{_listed(untrusted)} stood only in what tools had returned from outside")
    if composed := _texts(provenance.get("composed")):
        said.append(f"{_listed(composed)} stood nowhere and was composed")
    return f". Of its values, {_listed(said)}" if said else ""


def _cost(usage: object) -> str:
    if not isinstance(usage, Mapping):
        return ""
    calls, models = usage.get("tool_calls") or 0, usage.get("model_calls") or 0
    tokens = (usage.get("input_tokens") or 0) + (usage.get("output_tokens") or 0)
    said = [_counted(calls, "tool call")]
    if not models:
        return f"It took {said[0]} and no model"
    said.append(f"{_counted(models, 'model call')} with {tokens:,} tokens")
    cost = usage.get("cost") or 0
    money = f", which cost {cost:.4f} USD" if cost else ""
    return f"It took {_listed(said)}{money}"


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' * (number != 1)}"


def _texts(values: object) -> list[str]:
    return [str(v) for v in values] if isinstance(values, list | tuple) else []


def _listed(values: Iterable[str]) -> str:
    *most, last = [*values] or [""]
    return f"{', '.join(most)} and {last}" if most else last
