"""What a run has read so far, and what it has done: the material of the gate's decisions."""

from __future__ import annotations

from concertmaster.contracts import History, Label, Past
from concertmaster.contracts.labels import Trust
from concertmaster.policies.provenance import Source, Sources
from concertmaster.tools.declaration import Tool
from dojo.records import Recorded
from dojo.world import Result

__all__ = ["Reading"]


class Reading:
    """Grows with every call of a run."""

    def __init__(self, run: Recorded) -> None:
        self.sources = Sources(
            Source("system", "trusted", run.system), Source("request", "principal", run.prompt)
        )
        self.label = Label(trust=Trust.trusted)
        self._past = Past()

    def history(self) -> History:
        """Return the past of the run, which is the whole of its thread."""
        return History(run=self._past, thread=self._past)

    def refused(self) -> None:
        """Note a call that was not let through."""
        self._past = self._past.model_copy(update={"refused": self._past.refused + 1})

    def answered(self, tool: Tool, result: Result) -> None:
        """Note a call that was made. An error tells no more than the call itself did."""
        past = self._past
        self._past = Past(
            done=past.done if result.error else past.done | {tool.name},
            calls=past.calls + 1,
            consequential=past.consequential + tool.consequential,
            refused=past.refused,
        )
        if result.error is not None:
            return
        self.label = self.label.join(Label(trust=tool.trust, confidentiality=tool.label))
        name = f"{past.calls + 1}:{tool.name}"
        if tool.trust is Trust.trusted:
            self.sources = self.sources.plus(Source(name, "trusted", [result.text, result.value]))
            return
        self.sources = self.sources.plus(Source(name, "untrusted", result.text))
        endorsed = tool.endorsed(result.value)
        if endorsed is not None:
            self.sources = self.sources.plus(Source(f"{name}:endorsed", "trusted", endorsed))
