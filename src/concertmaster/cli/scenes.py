"""The conversations that a workspace brings along, and what came of playing them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from concertmaster.contracts import Answer, Approval, Approve, Edit, Reject, Respond, Status
from concertmaster.contracts.spec import Spec
from concertmaster.errors import WorkspaceError

__all__ = ["FILE", "Played", "ReviewerSpec", "SaidSpec", "SceneSpec", "load_scenes"]

FILE = "conversations.yaml"


class ReviewerSpec(Spec):
    """A person who decides what the message before waits for, and how the run then ends."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    who: str = Field(alias="as")
    answer: Literal["approve", "edit", "reject", "respond"]
    reason: str = ""
    text: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)
    expect: Status

    def vote(self, approval: Approval) -> Answer:
        """Return this person's answer; the arguments of an edit change those of the call."""
        match self.answer:
            case "approve":
                return Approve(reason=self.reason)
            case "reject":
                return Reject(reason=self.reason)
            case "respond":
                return Respond(text=self.text or self.reason)
        changed = {**approval.action.arguments, **self.arguments}
        return Edit(arguments=changed, reason=self.reason)


class SaidSpec(Spec):
    """One message, and how its run has to end before and after a reviewer."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    text: str
    expect: Status
    reviewer: ReviewerSpec | None = None


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

    @property
    def as_expected(self) -> bool:
        """Whether every run ended as the conversation says."""
        return self.expected == self.actual


def load_scenes(folder: Path) -> tuple[SceneSpec, ...]:
    """Return a workspace's conversations.

    Raises:
        WorkspaceError: there are none, or the file does not say what it should.
    """
    import yaml

    path = folder / FILE
    try:
        listed = yaml.safe_load(path.read_text("utf-8"))
        if isinstance(listed, dict):
            listed = listed.get("conversations")
        if not isinstance(listed, list) or not listed:
            raise WorkspaceError(f"{path} lists no conversations", hint="see its sample")
        return tuple(SceneSpec.model_validate(item) for item in listed)
    except OSError as error:
        raise WorkspaceError(
            f"{path} cannot be read: {error.strerror}",
            hint="a demonstration plays the conversations of a workspace",
        ) from None
    except (yaml.YAMLError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise WorkspaceError(f"{path} lists no conversations: {first}") from None
