"""The ids of the protocol's objects. They follow from the run's, so that nothing more is stored."""

from __future__ import annotations

import re
from dataclasses import dataclass

from concertmaster.serving.visible import unknown_run

__all__ = ["ResponseName", "completion_id", "run_of_completion"]

_RUN = r"run-[0-9a-f]{8,64}"
_COMPLETION = re.compile(rf"chatcmpl-({_RUN})")
_RESPONSE = re.compile(rf"resp_({_RUN})(?:_(apr-[0-9a-f]{{4,64}}))?")


def completion_id(run: str) -> str:
    """Return the id of a run's chat completion."""
    return f"chatcmpl-{run}"


def run_of_completion(id: str) -> str:
    """Return the run behind a chat completion.

    Raises:
        UnknownRun: this is no such id.
    """
    found = _COMPLETION.fullmatch(id)
    if found is None:
        raise unknown_run(id)
    return found[1]


@dataclass(frozen=True)
class ResponseName:
    """Which response: a run from its beginning, or from the answer to one of its approvals on.

    >>> str(ResponseName("run-5f0c5f0c", "apr-1a2b3c4d"))
    'resp_run-5f0c5f0c_apr-1a2b3c4d'
    """

    run: str
    approval: str | None = None

    def __str__(self) -> str:
        return "resp_" + "_".join(filter(None, (self.run, self.approval)))

    @property
    def message(self) -> str:
        """The id of the message in it."""
        return "msg_" + "_".join(filter(None, (self.run, self.approval)))

    @classmethod
    def read(cls, id: str) -> ResponseName:
        """Return what an id names.

        Raises:
            UnknownRun: this is no such id.
        """
        found = _RESPONSE.fullmatch(id)
        if found is None:
            raise unknown_run(id)
        return cls(found[1], found[2])
