"""What has happened before a call, in its run and on its thread, for rules about sequences."""

from __future__ import annotations

from pydantic import Field

from concertmaster.contracts.base import Record

__all__ = ["History", "Past"]


class Past(Record):
    """The calls of a run or a thread so far.

    `done` names the tools that took effect or answered. `calls` counts the calls that were made,
    `consequential` those of tools with an effect, including the ones of unknown outcome, and
    `refused` those that the gate or a reviewer did not let through.
    """

    done: frozenset[str] = frozenset()
    calls: int = Field(default=0, ge=0)
    consequential: int = Field(default=0, ge=0)
    refused: int = Field(default=0, ge=0)


class History(Record):
    """The past of the run, and of its whole thread with the run included."""

    run: Past = Past()
    thread: Past = Past()
