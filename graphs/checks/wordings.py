"""Wordings and plans: every placeholder is filled in, every call and reply can come about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem

__all__ = ["check_wordings"]

_PLACEHOLDER = re.compile(r"\{[^{}\n]*\}")


def check_wordings(subject: Subject) -> Iterator[Problem]:
    """Look at messages, and at the order of calls and replies."""
    for key, text in subject.workflow.messages.items():
        for name in _PLACEHOLDER.findall(text):
            if name != "{owner}":
                told = f"message {key!r}: nothing fills in {name}"
                hint = "only {owner} is filled in"
                place: Place = ("workflow", "messages", key)
                yield subject.error(place, "message-placeholder", told, hint)
    for index, playbook in enumerate(subject.playbooks):
        at = ("playbooks", "playbooks", index)
        ends = next((n for n, c in enumerate(playbook.calls) if not c.tool and not c.when), None)
        if ends is not None and ends < len(playbook.calls) - 1:
            told = f"call {playbook.calls[ends].key!r} of playbook {playbook.name!r} always ends"
            told += " the plan, so what follows is never done"
            hint = "give it a `when`, or move it to the end"
            yield subject.error((*at, "calls", ends + 1), "unreachable-call", told, hint)
        always = next((n for n, r in enumerate(playbook.reply) if not r.when), None)
        if always is not None and always < len(playbook.reply) - 1:
            told = f"reply {always + 2} of playbook {playbook.name!r} and what follows is never"
            told += f" given: reply {always + 1} always holds"
            hint = f"move reply {always + 1} to the end, or give it a condition"
            yield subject.error((*at, "reply", always + 1), "unreachable-reply", told, hint)
