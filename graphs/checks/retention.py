"""What is kept how long: bounds that contradict each other, or that never take effect."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.contracts.retention import age_in_words
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem

__all__ = ["check_retention"]

_AT: Place = ("workflow", "retention")
_OF_A_THREAD = ("checkpoints", "runs", "messages", "approvals")
"""Sections whose things go with their thread at the latest."""


def check_retention(subject: Subject) -> Iterator[Problem]:
    """Look at the section `retention`."""
    yield from _limits(subject)
    yield from _outlived(subject)
    yield from _remembered(subject)
    yield from _late(subject)


def _limits(subject: Subject) -> Iterator[Problem]:
    """Two numbers for the same thing: retention's counts."""
    flow = subject.workflow
    declared = flow.retention.checkpoints
    count = declared.per_thread if declared else None
    written = "checkpoints" in flow.limits.model_fields_set
    if count is not None and written and count != flow.limits.checkpoints:
        told = (
            f"retention: {count} states of a thread are kept, and not the"
            f" {flow.limits.checkpoints} of `limits.checkpoints`"
        )
        place = (*_AT, "checkpoints", "per_thread")
        yield subject.warning(place, "retention-checkpoints", told, "leave one of them out")


def _outlived(subject: Subject) -> Iterator[Problem]:
    """A part that is to be kept for longer than its thread."""
    spec = subject.workflow.retention
    whole = spec.threads.after if spec.threads else None
    if whole is None:
        return
    for section, name, value in spec.bounds():
        if section in _OF_A_THREAD and name == "after" and value >= whole:
            told = (
                f"retention: {section} go with their thread after {age_in_words(whole)},"
                f" before they are {age_in_words(value)} old"
            )
            hint = "write a shorter age, or a longer one for `threads`"
            yield subject.warning((*_AT, section, name), "retention-outlived", told, hint)


def _remembered(subject: Subject) -> Iterator[Problem]:
    """Words that are removed, but not from what the thread remembers."""
    spec = subject.workflow.retention
    threads = spec.threads.after if spec.threads else None
    if spec.messages is not None and threads is None:
        told = (
            "retention: messages are removed, but the newest state of a thread still holds its"
            f" last {subject.workflow.limits.window} ones"
        )
        hint = "declare `threads: {after: …}`, which removes that, too"
        yield subject.warning((*_AT, "messages"), "retention-remembered", told, hint)


def _late(subject: Subject) -> Iterator[Problem]:
    """A pause between two passes that is longer than something may be kept."""
    spec = subject.workflow.retention
    for section, name, value in spec.bounds():
        if name == "after" and value < spec.every:
            told = (
                f"retention: {section} may be {age_in_words(value)} old, but a desk that stays"
                f" open looks every {age_in_words(spec.every)} only"
            )
            hint = "write a shorter `every`"
            yield subject.warning((*_AT, section, name), "retention-late", told, hint)
