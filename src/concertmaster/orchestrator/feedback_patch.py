"""What a piece of feedback would add to a workspace's files: insertions, checked by parsing. Pure.

A text of a user goes into YAML as a JSON string, which is one YAML scalar on one line whatever it
holds. After each insertion, the file has to parse to what it was with one more entry; if it does
not, nothing is written.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from concertmaster.contracts.feedback import Feedback
from concertmaster.errors import WorkspaceError

__all__ = ["Addition", "additions", "write"]

INTENTS, GOLDEN, CASES = "intents.yaml", "golden.jsonl", "conversations.yaml"
OUT_OF_SCOPE = "out_of_scope"


@dataclass(frozen=True, kw_only=True)
class Addition:
    """A file as it would be: `line` is what is added, "" if it is there already."""

    file: str
    line: str
    after: str


def additions(
    feedback: Feedback, files: Mapping[str, str], *, people: frozenset[str] = frozenset()
) -> tuple[Addition, ...]:
    """Return what accepting a piece of feedback would add; nothing for a bare thumb down.

    Args:
        feedback: with the reviewer's edits.
        files: the texts of those files that there are, by name.
        people: ids that the workspace declares; a regression case is played as one of them.

    Raises:
        WorkspaceError: a file has a form in which nothing can be inserted safely.
    """
    found = []
    if feedback.intent is not None and INTENTS in files:
        found.append(_utterance(feedback, files[INTENTS]))
    if feedback.intent or feedback.answer or feedback.document:
        found.append(_golden(feedback, files.get(GOLDEN, "")))
    if feedback.document and feedback.principal in people and CASES in files:
        found.append(_case(feedback, files[CASES]))
    return tuple(found)


def write(folder: Path, addition: Addition) -> None:
    """Replace a file by what it becomes, all at once or not at all."""
    path = folder / addition.file
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_text(addition.after, encoding="utf-8", newline="")
        if path.exists():
            half.chmod(path.stat().st_mode & 0o777)
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise WorkspaceError(
            f"{path} cannot be written ({error.strerror})", hint="make it writable"
        ) from None


def _utterance(feedback: Feedback, text: str) -> Addition:
    before = _parsed(text, INTENTS)
    wanted = copy.deepcopy(before)
    listed = _list_of(wanted, feedback.intent)
    if not isinstance(listed, list):
        raise _unsafe(INTENTS, f"{feedback.intent} has no list of utterances")
    if feedback.question in listed:
        return Addition(file=INTENTS, line="", after=text)
    listed.append(feedback.question)
    lines = text.splitlines(keepends=True)
    at, indent = _end_of_list(lines, feedback.intent or "")
    line = f"{indent}- {_scalar(feedback.question)}"
    return Addition(file=INTENTS, line=line.strip(), after=_inserted(lines, at, line, wanted, text))


def _list_of(parsed: Any, intent: str | None) -> Any:
    if not isinstance(parsed, dict):
        return None
    if intent == OUT_OF_SCOPE:
        return parsed.get(OUT_OF_SCOPE)
    entries = [i for i in parsed.get("intents") or () if isinstance(i, dict)]
    return next((i.get("utterances") for i in entries if i.get("name") == intent), None)


def _end_of_list(lines: list[str], intent: str) -> tuple[int, str]:
    """Return behind which line the last utterance ends, and the items' indentation."""
    key = "utterances"
    start = 0
    if intent == OUT_OF_SCOPE:
        key = OUT_OF_SCOPE
    else:
        name = re.compile(rf"\s*(?:-\s+)?name:\s*[\"']?{re.escape(intent)}[\"']?\s*(?:#.*)?$")
        start = next((n for n, line in enumerate(lines) if name.match(line)), -1)
    head = re.compile(rf"(\s*)(?:-\s+)?{key}:\s*(?:#.*)?$")
    heads = [n for n, line in enumerate(lines) if n >= start and head.match(line)]
    if start < 0 or not heads:
        raise _unsafe(INTENTS, f"the utterances of {intent} are no plain list, one on each line")
    end, indent = heads[0], ""
    for n in range(heads[0] + 1, len(lines)):
        item = re.match(r"(\s*)-\s+\S", lines[n])
        if item and (not indent or item.group(1) == indent):
            end, indent = n, item.group(1) or indent
        elif lines[n].strip() and not lines[n].lstrip().startswith("#"):
            break
    if end == heads[0]:
        raise _unsafe(INTENTS, f"the utterances of {intent} are no plain list, one on each line")
    return end, indent


def _golden(feedback: Feedback, text: str) -> Addition:
    entry = {
        "question": feedback.question,
        "intent": feedback.intent,
        "documents": [feedback.document] if feedback.document else [],
        "answer": feedback.answer,
    }
    line = json.dumps(entry, ensure_ascii=True)
    if line in text.splitlines():
        return Addition(file=GOLDEN, line="", after=text)
    gap = "" if not text or text.endswith("\n") else "\n"
    return Addition(file=GOLDEN, line=line, after=f"{text}{gap}{line}\n")


def _case(feedback: Feedback, text: str) -> Addition:
    before = _parsed(text, CASES)
    wanted = copy.deepcopy(before)
    if not isinstance(wanted, dict) or not isinstance(wanted.get("conversations"), list):
        raise _unsafe(CASES, "it holds no list of conversations")
    message = {"text": feedback.question, "expect": "answered", "cites": [feedback.document]}
    case = {
        "id": feedback.id,
        "title": "A correction that was accepted",
        "principal": feedback.principal,
        "messages": [message],
    }
    listed = wanted["conversations"]
    if any(isinstance(c, dict) and c.get("messages") == [message] for c in listed):
        return Addition(file=CASES, line="", after=text)
    listed.append(case)
    lines = text.splitlines(keepends=True)
    items = [m.group(1) for m in (re.match(r"(\s*)-\s+id:", line) for line in lines) if m]
    # JSON is YAML: one entry on one line, whatever its texts hold.
    line = f"{items[0] if items else '  '}- {_scalar(case)}"
    at = max((n for n, one in enumerate(lines) if one.strip()), default=-1)
    return Addition(file=CASES, line=line.strip(), after=_inserted(lines, at, line, wanted, text))


def _inserted(lines: list[str], at: int, line: str, wanted: Any, text: str) -> str:
    ending = "\r\n" if "\r\n" in text else "\n"
    before = "".join(lines[: at + 1])
    gap = "" if before.endswith("\n") else ending
    after = f"{before}{gap}{line}{ending}{''.join(lines[at + 1 :])}"
    if _parsed(after, "the file") != wanted:
        raise _unsafe("the file", "an insertion would change something else")
    return after


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def _parsed(text: str, file: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise _unsafe(file, "it is no YAML") from None


def _unsafe(file: str, why: str) -> WorkspaceError:
    return WorkspaceError(
        f"nothing can be added to {file} safely: {why}", hint="add it by hand, and skip this one"
    )
