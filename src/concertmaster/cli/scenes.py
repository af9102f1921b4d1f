"""The conversations that a workspace brings along, and what came of playing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from concertmaster.contracts import Status
from concertmaster.contracts.base import first_fault
from concertmaster.contracts.scripted import ScriptedAnswer
from concertmaster.contracts.written import Spec
from concertmaster.errors import WorkspaceError

__all__ = ["FILE", "Played", "ReviewerSpec", "SaidSpec", "SceneSpec", "load_scenes"]

FILE = "conversations.yaml"
_HINT = "a demonstration plays the conversations of a workspace; support_desk has a sample"


class ReviewerSpec(ScriptedAnswer):
    """A person who decides what the message before waits for, and how the run then ends."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    who: str = Field(alias="as")
    expect: Status


class SaidSpec(Spec):
    """One message, and how its run has to end before and after a reviewer.

    `cites` are documents that the answer has to cite, empty for none at all; `effects` are the
    consequential calls that have to take place, no other. Neither is looked at when left out.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    text: str
    expect: Status
    cites: tuple[str, ...] | None = None
    effects: tuple[str, ...] | None = None
    reviewer: ReviewerSpec | None = None

    def faults(self, cited: Iterable[str], effects: Sequence[str]) -> list[str]:
        """Return what is wrong with the citations and effects of the run, in words."""
        found = []
        quoted = set(cited)
        if self.cites is not None and (set(self.cites) - quoted or (quoted and not self.cites)):
            wanted = ", ".join(self.cites) or "nothing"
            found.append(f"cites {', '.join(sorted(quoted)) or 'nothing'}, expected {wanted}")
        if self.effects is not None and sorted(self.effects) != sorted(effects):
            wanted = ", ".join(self.effects) or "none"
            found.append(f"effects: {', '.join(effects) or 'none'}, expected {wanted}")
        return found


class SceneSpec(Spec):
    """One conversation: who writes, on a thread of its own."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    id: str
    title: str
    principal: str
    messages: tuple[SaidSpec, ...] = Field(min_length=1)


@dataclass
class Played:
    """What came of a conversation."""

    scene: SceneSpec
    expected: list[Status] = field(default_factory=list)
    actual: list[Status] = field(default_factory=list)
    hops: int = 0
    ms: float = 0.0
    effects: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        """Whether every run ended, cited and did what the conversation says."""
        return self.expected == self.actual and not self.faults


def load_scenes(folder: Path) -> tuple[SceneSpec, ...]:
    """Return a workspace's conversations.

    Raises:
        WorkspaceError: there are none, or the file does not say what it should.
    """
    from concertmaster.graphs.sources import read_source

    source, problems = read_source(folder / FILE)
    if problems:
        raise WorkspaceError(str(problems[0]), hint=_HINT, problems=tuple(problems))
    listed = source.value
    if isinstance(listed, dict):
        listed = listed.get("conversations")
    if not isinstance(listed, list) or not listed:
        raise WorkspaceError(f"{FILE}:1: lists no conversations", hint=_HINT)
    try:
        return tuple(SceneSpec.model_validate(item) for item in listed)
    except ValidationError as error:
        fault = first_fault(error, "a conversation")
        raise WorkspaceError(f"{FILE}:1: {fault}", hint=_HINT) from None
