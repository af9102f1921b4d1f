"""YAML with positions: plain values, and the line of each of them.

Only what JSON can say is accepted: no tags, no duplicate keys, no infinite numbers; size, depth
and aliases are bounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from concertmaster.graphs.problems import Problem

__all__ = ["Path_", "Source", "read_source"]

_LARGEST = 2_000_000
_MOST_NODES = 200_000
_DEEPEST = 50
_TAG = "tag:yaml.org,2002:"
_SCALARS = ("str", "int", "float", "bool", "null")

Path_ = tuple[str | int, ...]
"""Where a value stands in its file: keys and list indexes from the top."""


@dataclass(frozen=True)
class Source:
    """One file: its values and the line on which each of them stands.

    Of a file that was salvaged `removed` are the paths at which something was taken out, and
    `lost` the names that went with it.
    """

    file: Path
    value: Any = None
    lines: dict[Path_, int] = field(default_factory=dict)
    removed: frozenset[Path_] = frozenset()
    lost: frozenset[str] = frozenset()

    def line(self, path: Path_) -> int:
        """Return the line of the value at a path, or of the nearest one around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 1

    def problem(self, code: str, path: Path_, message: str, **more: Any) -> Problem:
        """Return a finding about the value at a path."""
        return Problem(
            code=code, file=str(self.file), line=self.line(path), message=message, **more
        )


def read_source(file: Path) -> tuple[Source, list[Problem]]:
    """Read a YAML file; what cannot be read is a problem with its line."""
    empty = Source(file)
    try:
        raw = file.read_bytes()
        if len(raw) > _LARGEST:
            return empty, [_at(file, 1, f"{len(raw)} bytes, more than {_LARGEST}")]
        text = raw.decode("utf-8")
        deep = _too_deep(text)
        if deep is not None:
            return empty, [_at(file, deep, f"nests deeper than {_DEEPEST} levels")]
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except OSError as error:
        return empty, [_at(file, 1, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return empty, [_at(file, raw[: error.start].count(b"\n") + 1, "is not UTF-8 text")]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = " ".join(filter(None, (error.context, error.problem)))
        return empty, [_at(file, mark.line + 1 if mark else 1, f"is no valid YAML: {told}")]
    except yaml.YAMLError as error:
        at = text.count("\n", 0, getattr(error, "position", 0)) + 1
        return empty, [_at(file, at, f"is no valid YAML: {str(error).splitlines()[0]}")]
    if node is None:
        return empty, [_at(file, 1, "is empty")]
    reader = _Reader(file)
    value = reader.value(node, ())
    return Source(file, value, reader.lines), reader.problems


def _too_deep(text: str) -> int | None:
    """Return the line that nests too deeply. The composer would take the process down there."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                return event.start_mark.line + 1 if event.start_mark else 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _at(file: Path, line: int, message: str) -> Problem:
    return Problem(code="yaml", file=str(file), line=line, message=f"{file.name} {message}")


class _Reader:
    def __init__(self, file: Path) -> None:
        self.lines: dict[Path_, int] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._nodes = 0
        self._given_up = False

    def value(self, node: yaml.Node, path: Path_) -> Any:
        if self._given_up:
            return None
        self._nodes += 1
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if self._nodes > _MOST_NODES:
            return self._give_up(line, "has too many values (aliases multiply them)")
        if len(path) > _DEEPEST:
            # Only aliases get here: one that leads back into itself, or one within the other.
            return self._give_up(line, f"nests deeper than {_DEEPEST} levels by its aliases")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self._wrong(line, f"uses the tag {node.tag!r}, which is not allowed here")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(line, "has a key that is no text")
                continue
            key = str(key_node.value)
            if key in mapping:
                self._wrong(line, f"has the key {key!r} twice")
                continue
            self.lines[(*path, key)] = line
            mapping[key] = self.value(value_node, (*path, key))
        return mapping

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "timestamp":
            return str(node.value)
        if kind not in _SCALARS:
            self._wrong(line, f"uses the tag {node.tag!r}, which is not allowed here")
            return None
        loader = yaml.CSafeLoader("")
        try:
            value = loader.construct_object(node)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError
        except (ValueError, yaml.YAMLError):
            self._wrong(line, f"holds a value that is no {kind}")
            return None
        finally:
            loader.dispose()
        return value

    def _give_up(self, line: int, message: str) -> None:
        self._given_up = True
        self._wrong(line, message)

    def _wrong(self, line: int, message: str) -> None:
        self.problems.append(_at(self._file, line, message))
