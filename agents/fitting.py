"""A prompt made to fit a model: what is left out, in which order, and under which label. Pure.

A prompt is written from material that can do with less. Nothing is cut in the middle but results:
a passage stands in a prompt whole or not at all, under the number by which answers cite it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from concertmaster.agents.clearance import (
    joined,
    message_label,
    passage_label,
    result_label,
    uncleared,
)
from concertmaster.agents.recollection import recollected
from concertmaster.contracts import ActionResult, Evidence, Label, Message
from concertmaster.contracts.context import ContextSpec, Note, Summary
from concertmaster.models.counting import estimate
from concertmaster.models.router import Call

if TYPE_CHECKING:
    from concertmaster.models.spec import ModelSpec
    from concertmaster.tools.toolbox import Toolbox

__all__ = ["Fitted", "Material", "Prompt", "Unfit", "fit"]

ChatMessage = dict[str, Any]
_SHORTEST = 250
_DEFAULTS = ContextSpec()


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a prompt is written from, besides its fixed words.

    `longest` is how many characters are shown of a result. `summary` stands for turns of the
    thread whose messages are not there.
    """

    history: tuple[Message, ...] = ()
    summary: str = ""
    evidence: tuple[Evidence, ...] = ()
    results: tuple[ActionResult, ...] = ()
    longest: int = 4000


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a model is asked: how it is written, from what, and what may be left out of it.

    `label` is that of the words that stand in it in any case, such as the request. `notes` and
    `earlier` are what the thread remembers of its turns.
    """

    write: Callable[[Material], list[ChatMessage]]
    label: Label
    material: Material = Material()
    rules: ContextSpec = _DEFAULTS
    notes: tuple[Note, ...] = ()
    earlier: Summary | None = None
    toolbox: Toolbox | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    schema: Mapping[str, Any] | None = None

    def labelled(self, material: Material) -> Label:
        """Return the join of the labels of everything that stands in it."""
        toolbox = self.toolbox
        results = (
            [result_label(r, toolbox) for r in material.results] if toolbox is not None else []
        )
        if material.results and toolbox is None:
            raise ValueError("a prompt with results needs the toolbox that labels them")
        earlier = [self.earlier.label] if self.earlier and material.summary else []
        return joined(
            [
                self.label,
                *results,
                *earlier,
                *map(passage_label, material.evidence),
                *map(message_label, material.history),
            ]
        )

    def call(self, output: int) -> Call:
        """Return what a router has to know of it: its least form, and who may be sent that."""
        least = self.least
        return Call(
            tokens=self.tokens(self.write(least)),
            output=output,
            confidentiality=self.labelled(self.certain).confidentiality,
        )

    @property
    def certain(self) -> Material:
        """What is not left out for want of a clearance: all but the thread's messages."""
        return replace(self.material, history=(), summary="")

    def tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the tokens to expect of messages with what is offered beside them."""
        return estimate(messages, self.tools, self.schema)

    @property
    def least(self) -> Material:
        """What has to stand in it: no history, the best passage, the shortest of each result."""
        return list(_less(self, self.certain))[-1]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Messages for one model, with their label, the tokens to expect, and what was left out.

    `estimated` are the tokens before what the model's provider counts differently.
    """

    messages: list[ChatMessage]
    label: Label
    tokens: int
    estimated: int
    left_out: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Unfit:
    """Why a model cannot be asked this, as a verb phrase."""

    why: str


def fit(
    prompt: Prompt, spec: ModelSpec, output: int, count: Callable[[int], int] = lambda n: n
) -> Fitted | Unfit:
    """Return the fullest form of a prompt that a model is cleared for and holds.

    First the messages go that the model may not see, then, while it does not fit, the oldest
    messages, the ends of results, the passages of least score, and the summary.

    Args:
        prompt: what is to be asked.
        spec: the model.
        output: the tokens that are kept free for the answer.
        count: corrects an estimate for the model.
    """
    if prompt.earlier is not None and uncleared(spec, prompt.earlier.label) is not None:
        prompt = replace(prompt, earlier=None)
    whole, hidden = _cleared(prompt, spec)
    why = uncleared(spec, prompt.labelled(prompt.certain))
    if why is not None:
        return Unfit(why)
    estimated = tokens = 0
    for material in _less(prompt, whole):
        messages = prompt.write(material)
        estimated = prompt.tokens(messages)
        tokens = count(estimated)
        if spec.context is None or tokens + output <= spec.context:
            return Fitted(
                messages=messages,
                label=prompt.labelled(material),
                tokens=tokens,
                estimated=estimated,
                left_out=_left_out(prompt, material, hidden),
            )
    needed = tokens + output
    return Unfit(f"holds {spec.context} tokens, fewer than the {needed} that the least of this has")


def _cleared(prompt: Prompt, spec: ModelSpec) -> tuple[Material, int]:
    """Return the material without the turns of the thread that a model may not see."""
    history = prompt.material.history
    kept = _last(history, prompt.rules.keep)
    barred = {m.run for m in kept if uncleared(spec, message_label(m)) is not None}
    seen = tuple(m for m in kept if m.run not in barred)
    material = replace(prompt.material, history=_last(seen, len(seen)))
    return _with_history(prompt, material), len(kept) - len(seen)


def _less(prompt: Prompt, material: Material) -> Iterator[Material]:
    """Yield the material, then ever less of it."""
    yield material
    while material.history:
        rest = _last(material.history, len(material.history) - 1)
        material = _with_history(prompt, replace(material, history=rest))
        yield material
    while material.results and material.longest > _SHORTEST:
        material = replace(material, longest=max(material.longest // 2, _SHORTEST))
        yield material
    while prompt.rules.evidence == "best" and len(material.evidence) > 1:
        worst = min(material.evidence, key=lambda e: (e.score, -e.number))
        kept = tuple(e for e in material.evidence if e is not worst)
        material = replace(material, evidence=kept)
        yield material
    if material.summary:
        yield replace(material, summary="")


def _last(history: Sequence[Message], most: int) -> tuple[Message, ...]:
    """Return the last messages; the first of them is none that answers one that is gone."""
    kept = tuple(history[-most:]) if most > 0 else ()
    while kept and kept[0].role == "assistant":
        kept = kept[1:]
    return kept


def _with_history(prompt: Prompt, material: Material) -> Material:
    """Return the material with the summary that stands for what its history lacks."""
    if prompt.rules.history != "summarize":
        return material
    gone = _runs(material.history)
    told = recollected(prompt.notes, gone, prompt.rules, earlier=prompt.earlier)
    return replace(material, summary=told)


def _runs(history: Sequence[Message]) -> frozenset[str]:
    return frozenset(m.run for m in history)


def _left_out(prompt: Prompt, material: Material, hidden: int) -> tuple[str, ...]:
    """Return in words what of the material did not go into the prompt."""
    told = []
    given, shown = len(prompt.material.history), len(material.history)
    if shown < given:
        why = f", {hidden} of them above its clearance" if hidden else ""
        told.append(f"{given - shown} of {given} messages{why}")
    if len(material.evidence) < len(prompt.material.evidence):
        all_ = len(prompt.material.evidence)
        told.append(f"{all_ - len(material.evidence)} of {all_} passages")
    if material.results and material.longest < prompt.material.longest:
        told.append(f"what results have beyond {material.longest} characters")
    return tuple(told)
