"""What a document says of itself: the YAML head of Markdown, a sidecar, keys of a JSON record."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

import yaml

from concertmaster.contracts import Readers, plain_text
from concertmaster.retrieval.access import parse_readers

__all__ = ["BrokenHead", "Head", "head_of_record", "head_of_yaml", "split_head"]

_KEYS = ("id", "title", "owner", "readers", "valid_from", "valid_until", "version")
_ALIKE = 0.8
_LONGEST_ID = 300
_LONGEST_VERSION = 60
_LONGEST_HEAD = 2**16


class BrokenHead(Exception):
    """What a document says of itself cannot be read; `line` counts from 1."""

    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.line = line


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a document says of itself; null where it says nothing."""

    id: str | None = None
    title: str | None = None
    owner: str | None = None
    readers: Readers | None = None
    valid_from: date | None = None
    valid_until: date | None = None
    version: str | None = None

    def over(self, other: Head) -> Head:
        """Return this one with what only the other says."""
        said = {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}
        return replace(other, **said)

    def contradicts(self, other: Head) -> str | None:
        """Return the first key to which both give a value, and not the same one."""
        for key in _KEYS:
            mine, theirs = getattr(self, key), getattr(other, key)
            if None not in (mine, theirs) and mine != theirs:
                return key
        return None


@dataclass(frozen=True)
class _Value:
    """The value of a key: its text, or the texts of a list, and the line of each."""

    texts: tuple[str, ...]
    lines: tuple[int | None, ...]
    listed: bool


def split_head(text: str) -> tuple[Head, str]:
    """Return the head of a Markdown text and the text after it.

    Keys other than id, title, owner, readers, valid_from, valid_until and version are ignored,
    unless they look like one of these misspelt: that could open a document to the wrong readers.

    Raises:
        BrokenHead: it is not closed, is no YAML mapping, or a value is wrong.
    """
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return Head(), text
    for at in range(1, len(lines)):
        if lines[at].rstrip() in ("---", "..."):
            head = _read("\n".join(lines[1:at]), "front matter", 2)
            return _head(head), "\n".join(lines[at + 1 :])
    raise BrokenHead("the front matter is not closed by a line ---", 1)


def head_of_yaml(text: str, keys: Collection[str] = _KEYS) -> Head:
    """Return what a file of metadata says; no other keys than these may stand there.

    Raises:
        BrokenHead: it is no YAML mapping, or a key or value is wrong.
    """
    values = _read(text, "file", 1)
    head = _head(values)
    for key, value in values.items():
        if key not in keys:
            raise BrokenHead(f"unknown key {key!r}; known are {', '.join(keys)}", value.lines[0])
    return head


def head_of_record(record: Mapping[str, object]) -> Head:
    """Return what a JSON record says of itself, read like a front matter.

    Raises:
        BrokenHead: a value is wrong.
    """
    values = {}
    for key, value in record.items():
        if key == "readers" and isinstance(value, list) and all(isinstance(v, str) for v in value):
            values[key] = _Value(tuple(value), (None,) * len(value), True)
        elif key == "version" and isinstance(value, int | float) and not isinstance(value, bool):
            values[key] = _Value((str(value),), (None,), False)
        elif isinstance(value, str):
            values[key] = _Value((value,), (None,), False)
        elif key in _KEYS and value is not None:
            raise BrokenHead(f"{key} is not text")
        elif key in _KEYS:
            values[key] = _Value((), (None,), False)
        else:
            values[key] = _Value(("",), (None,), False)
    return _head(values)


def _read(source: str, name: str, first: int) -> dict[str, _Value]:
    """Read a YAML mapping whose first line is line number `first` of its file."""
    if len(source) > _LONGEST_HEAD:
        raise BrokenHead(f"the {name} is longer than {_LONGEST_HEAD} characters", first)
    try:
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + first if error.problem_mark else None
        raise BrokenHead(f"the {name} is no YAML: {error.problem}", line) from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise BrokenHead(f"the {name} is no YAML", 1) from None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise BrokenHead(f"the {name} is no list of `key: value`", first)
    values: dict[str, _Value] = {}
    for key, value in node.value:
        line = key.start_mark.line + first
        told = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
        if told in values:
            raise BrokenHead(f"{told} stands twice in the {name}", line)
        values[told] = _value(told, value, line, first)
    return values


def _value(key: str, node: Any, line: int, first: int) -> _Value:
    if isinstance(node, yaml.ScalarNode):
        empty = node.tag.endswith(":null")
        return _Value(() if empty else (str(node.value),), (node.start_mark.line + first,), False)
    items = node.value if isinstance(node, yaml.SequenceNode) else ()
    plain = [item for item in items if isinstance(item, yaml.ScalarNode)]
    if key in _KEYS and (not isinstance(node, yaml.SequenceNode) or len(plain) != len(items)):
        raise BrokenHead(f"{key} is neither text nor a list of texts", line)
    marks = tuple(item.start_mark.line + first for item in plain)
    return _Value(tuple(str(item.value) for item in plain), marks or (line,), True)


def _head(values: Mapping[str, _Value]) -> Head:
    for key, value in values.items():
        meant = difflib.get_close_matches(key.strip().lower(), _KEYS, 1, _ALIKE)
        if key not in _KEYS and meant:
            raise BrokenHead(f"unknown key {key!r}; did you mean {meant[0]!r}?", value.lines[0])
    head = Head(
        id=_text(values, "id"),
        title=_text(values, "title"),
        owner=_text(values, "owner"),
        readers=_readers(values),
        valid_from=_day(values, "valid_from"),
        valid_until=_day(values, "valid_until"),
        version=_text(values, "version"),
    )
    if head.version is not None and len(head.version) > _LONGEST_VERSION:
        told = f"version is longer than {_LONGEST_VERSION} characters"
        raise BrokenHead(told, values["version"].lines[0])
    if head.id is not None and len(head.id) > _LONGEST_ID:
        raise BrokenHead(f"id is longer than {_LONGEST_ID} characters", values["id"].lines[0])
    if head.valid_from and head.valid_until and head.valid_until < head.valid_from:
        raise BrokenHead("valid_until is before valid_from", values["valid_until"].lines[0])
    return head


def _text(values: Mapping[str, _Value], key: str) -> str | None:
    value = values.get(key)
    if value is None or (not value.texts and not value.listed):
        return None
    if value.listed or not value.texts[0].strip():
        raise BrokenHead(f"{key} is no text", value.lines[0])
    return " ".join(plain_text(value.texts[0]).split())


def _readers(values: Mapping[str, _Value]) -> Readers | None:
    value = values.get("readers")
    if value is None:
        return None
    if not value.texts:
        raise BrokenHead("readers is empty; name readers or leave the key out", value.lines[0])
    for entry, line in zip(value.texts, value.lines, strict=True):
        try:
            parse_readers((entry,))
        except ValueError as error:
            raise BrokenHead(str(error), line) from None
    return parse_readers(value.texts)


def _day(values: Mapping[str, _Value], key: str) -> date | None:
    text = _text(values, key)
    if text is None:
        return None
    try:
        return date.fromisoformat(text[:10] if text[10:11] in ("T", " ") else text)
    except ValueError:
        raise BrokenHead(
            f"{key} {text[:20]!r} is no day; write it as 2026-03-01", values[key].lines[0]
        ) from None
