"""What is left of turns whose messages a prompt no longer holds: notes, put into words. Pure.

Notes are the principal's own words and what the desk did. A summary that a model wrote is text of
a model: it is told apart, and is no authority for anything, like all of the thread's memory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from concertmaster.contracts import Outcome
from concertmaster.contracts.context import ContextSpec, Note, Summary
from concertmaster.contracts.turn import Turn

__all__ = ["KEPT", "note_of", "recollected", "remembered"]

KEPT = 24
"""How many turns a thread has notes of."""

_ASKED = 160
_CALLED = ("done", "in_doubt")
_MOST_TOOLS = 8


def note_of(turn: Turn, outcome: Outcome) -> Note:
    """Return the note of a turn: its author's words, cut at 160 characters, and what was done."""
    done = [r for r in turn.results.values() if r.consequential and r.status in _CALLED]
    ordered = sorted(done, key=lambda r: r.position)
    return Note(
        run=turn.run,
        asked=_cut(" ".join(turn.request.text.split()), _ASKED),
        intent=turn.intent.name if turn.intent else None,
        did=tuple(dict.fromkeys(r.tool for r in ordered))[:_MOST_TOOLS],
        status=outcome.status,
        open=turn.asks if outcome.status == "answered" else None,
    )


def remembered(notes: Sequence[Note], fresh: Note) -> tuple[Note, ...]:
    """Return the notes with one more; the oldest go beyond `KEPT`."""
    others = tuple(n for n in notes if n.run != fresh.run)
    return (*others, fresh)[-KEPT:]


def recollected(
    notes: Sequence[Note],
    present: Collection[str],
    rules: ContextSpec,
    *,
    earlier: Summary | None = None,
) -> str:
    """Return a summary of the turns that are not present, of up to `rules.summary` characters.

    Args:
        notes: of the thread's turns, oldest first. Where room is short, the oldest go.
        present: the runs whose messages stand in the prompt.
        rules: how long it may be.
        earlier: a model's summary; it stands for its turns in place of their notes.
    """
    covered = set(earlier.runs) if earlier else set()
    gone = [n for n in notes if n.run not in present and n.run not in covered]
    own = _cut(earlier.text, rules.summary // 2) if earlier and covered - set(present) else ""
    room = rules.summary - len(own)
    lines: list[str] = []
    for note in reversed(gone):
        line = _line(note)
        if len(line) + 1 > room:
            break
        room -= len(line) + 1
        lines.insert(0, line)
    return "\n".join(filter(None, (own, *lines)))


def _line(note: Note) -> str:
    parts = [f'- asked: "{note.asked}"']
    if note.intent:
        parts.append(f"about {note.intent}")
    if note.did:
        parts.append(f"done: {', '.join(note.did)}")
    parts.append(f"asked back for {note.open}" if note.open else note.status)
    return "; ".join(parts)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
