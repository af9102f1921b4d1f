"""YAML with positions: plain values, and the line of each of them.

Only what JSON can say is accepted: no tags, no duplicate keys, bounded size and aliases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from concertmaster.graphs.problems import Problem

__all__ = ["Source", "read_source"]

_LARGEST = 2_000_000
_MOST_NODES = 200_000
_SCALARS = ("str", "int", "float", "bool", "null")

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Source:
    """One file: its values and the line on which each of them stands."""

    file: Path
    value: Any = None
    lines: dict[Path_, int] = field(default_factory=dict)

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
        node = yaml.compose(raw.decode("utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        return empty, [_at(file, 1, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return empty, [_at(file, raw[: error.start].count(b"\n") + 1, "is not UTF-8 text")]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = " ".join(filter(None, (error.context, error.problem)))
        return empty, [_at(file, mark.line + 1 if mark else 1, f"is no valid YAML: {told}")]
    except yaml.YAMLError as error:
        return empty, [_at(file, 1, f"is no valid YAML: {str(error).splitlines()[0]}")]
    if node is None:
        return empty, [_at(file, 1, "is empty")]
    reader = _Reader(file)
    value = reader.value(node, ())
    return Source(file, value, reader.lines), reader.problems


def _at(file: Path, line: int, message: str) -> Problem:
    return Problem(code="yaml", file=str(file), line=line, message=f"{file.name} {message}")


class _Reader:
    def __init__(self, file: Path) -> None:
        self.lines: dict[Path_, int] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._nodes = 0

    def value(self, node: yaml.Node, path: Path_) -> Any:
        self._nodes += 1
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if self._nodes > _MOST_NODES:
            if self._nodes == _MOST_NODES + 1:
                self._wrong(line, "has too many values (aliases multiply them)")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, line)

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

    def _scalar(self, node: yaml.Node, line: int) -> Any:
        kind = node.tag.rsplit(":", 1)[-1]
        if kind == "timestamp":
            return str(node.value)
        if not node.tag.startswith("tag:yaml.org,2002:") or kind not in _SCALARS:
            self._wrong(line, f"uses the tag {node.tag!r}, which is not allowed here")
            return None
        loader = yaml.CSafeLoader("")
        try:
            return loader.construct_object(node)
        except (ValueError, yaml.YAMLError):
            self._wrong(line, f"holds a value that is no {kind}")
            return None
        finally:
            loader.dispose()

    def _wrong(self, line: int, message: str) -> None:
        self.problems.append(_at(self._file, line, message))
