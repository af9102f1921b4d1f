"""Labels of what a prompt is made of, and whether a model may be sent it. Pure.

What nobody labelled counts as restricted. Labels are not only read off the state: a passage's
follow from its readers, a result's from what its tool declares. Both only ever rise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from concertmaster.contracts import ActionResult, Confidentiality, Evidence, Label, Message, Trust
from concertmaster.contracts.turn import Turn
from concertmaster.retrieval.access import label_of

if TYPE_CHECKING:
    from concertmaster.models.spec import ModelSpec
    from concertmaster.tools.toolbox import Toolbox

__all__ = [
    "answer_label",
    "joined",
    "known",
    "message_label",
    "passage_label",
    "result_label",
    "uncleared",
]

_UNKNOWN = Label(
    trust=Trust.untrusted, confidentiality=Confidentiality.restricted, sources=("unlabelled",)
)
_OURS = Label(trust=Trust.trusted, confidentiality=Confidentiality.internal, sources=("decisions",))
_WORDED = frozenset({"denied", "rejected", "answered", "in_doubt"})


def known(label: Label | None) -> Label:
    """Return a label, or the worst for one that says nothing of where it comes from."""
    return label if label is not None and label.sources else _UNKNOWN


def joined(labels: Iterable[Label]) -> Label:
    """Return the join of labels; of none, that of nothing: trusted and public."""
    join = Label(trust=Trust.trusted)
    for label in labels:
        join = join.join(label)
    return join


def passage_label(passage: Evidence) -> Label:
    """Return a passage's label: what its readers make of it, or worse."""
    return label_of(passage.document, passage.readers).join(passage.label)


def result_label(result: ActionResult, toolbox: Toolbox) -> Label:
    """Return a result's label: what its tool declares, or worse.

    The words of policies and reviewers, which stand in place of a result, are the house's own:
    internal.
    """
    if result.status in _WORDED:
        return _OURS.join(result.label)
    if result.tool not in toolbox.names:
        return _UNKNOWN
    tool = toolbox[result.tool]
    own = Label(trust=tool.trust, confidentiality=tool.label, sources=(tool.name,))
    return own.join(result.label)


def message_label(message: Message) -> Label:
    """Return a message's label."""
    return known(message.label)


def answer_label(turn: Turn, messages: Sequence[Message], toolbox: Toolbox) -> Label:
    """Return the label of what a turn said: the join of what its words were made from.

    What a model wrote bears the label of everything that models read in this turn, cited or not.
    What custom steps returned has no label, so fixed wording that may hold it counts as unknown.

    Args:
        turn: with its draft.
        messages: the thread's window before it.
        toolbox: the workspace's tools.
    """
    request, draft = known(turn.request.label), turn.draft
    if draft is None:
        return request
    results = [result_label(r, toolbox) for r in turn.results.values()]
    passages = turn.retrieved.evidence if turn.retrieved else ()
    if draft.method == "extractive":
        cited = {c.number for s in draft.sentences for c in s.citations}
        return joined([request, *(passage_label(p) for p in passages if p.number in cited)])
    if draft.method == "template":
        unlabelled = [_UNKNOWN] if turn.data and (turn.said or turn.results) else []
        return joined([request, *results, *unlabelled])
    if turn.composed is not None:
        return joined([request, known(turn.composed)])
    read = [*results, *map(passage_label, passages), *map(message_label, messages)]
    return joined([request, *read])


def uncleared(spec: ModelSpec, label: Label) -> str | None:
    """Return why a model may not be sent what bears a label, as a verb phrase; None if it may."""
    if spec.clearance >= label.confidentiality:
        return None
    return f"is cleared for {spec.clearance.name} data; this is {label.confidentiality.name}"
