"""Write docs/reference.md from the docstrings of the public names (`make docs`).

Public is what a package's `__all__` names. A name that several packages hand on is described once,
where it stands first: the front door, then what users meet next, then the rooms.
"""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reference.md"
FIRST = ("concertmaster", "concertmaster.testing", "concertmaster.errors")
WIDTH = 96
HEAD = """# Reference

Written from the docstrings by `make docs`. The terms are explained in [concepts](concepts.md).
"""


class Plain:
    """A text that a signature shows as it is, without quotation marks."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def packages(root: Path = ROOT) -> list[str]:
    """Return the modules whose `__all__` is public, in the order of the reference."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    listed = sorted(project["tool"]["setuptools"]["packages"])
    return [*FIRST, *(name for name in listed if name not in FIRST)]


def reference(names: list[str]) -> str:
    """Return the whole page for these modules; those without an `__all__` are left out."""
    told: dict[int, str] = {}
    parts = [HEAD]
    for name in names:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        if getattr(module, "__all__", ()):
            parts += filter(None, _module(module, told))
    return "\n".join(parts).rstrip() + "\n"


def _module(module: ModuleType, told: dict[int, str]) -> Iterator[str]:
    yield f"## {module.__name__}\n"
    yield prose(inspect.getdoc(module) or "")
    again = []
    for name in sorted(module.__all__, key=str.casefold):
        value = getattr(module, name)
        # Constants may be one object under several names: only classes and functions are unique.
        unique = inspect.isclass(value) or inspect.isroutine(value)
        if unique and id(value) in told:
            again.append(f"`{name}` ({told[id(value)]})")
            continue
        if unique:
            told[id(value)] = module.__name__
        yield f"### {name}\n"
        yield from _entry(module, name, value)
    if again:
        yield f"Handed on, and described above: {', '.join(again)}.\n"


def _entry(module: ModuleType, name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _class(value)
    elif inspect.isroutine(value):
        yield code(signature(name, value))
        yield prose(inspect.getdoc(value) or "")
    elif isinstance(value, ModuleType):
        yield prose((inspect.getdoc(value) or "").split("\n\n")[0])
    else:
        text, doc = assignment(module, name)
        if text:
            yield code(text)
        yield prose(doc)


def _class(value: type) -> Iterator[str]:
    bases = ", ".join(b.__name__ for b in value.__bases__ if b is not object)
    lines = [f"class {value.__name__}({bases})" if bases else f"class {value.__name__}"]
    if issubclass(value, enum.Enum):
        lines += [f"    {member.name} = {member.value!r}" for member in value]
    elif issubclass(value, BaseModel):
        lines += [f"    {line}" for line in _fields(value)]
    elif issubclass(value, BaseException):
        lines += [f"    code = {value.code!r}"] if hasattr(value, "code") else []
    elif "__init__" in vars(value):
        lines += [f"    {line}" for line in signature(value.__name__, value).splitlines()]
    yield code("\n".join(lines))
    yield prose(vars(value).get("__doc__") or "")
    for name, member in vars(value).items():
        if not name.startswith("_"):
            yield from _member(value.__name__, name, member)


def _fields(model: type[BaseModel]) -> Iterator[str]:
    written: dict[str, object] = {}
    for base in reversed(model.__mro__):
        written |= inspect.get_annotations(base)
    for name, field in model.model_fields.items():
        yield f"{name}: {_annotation(written[name])}{_default(field)}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    if field.default_factory is not None:
        return f" = {getattr(field.default_factory, '__name__', '...')}()"
    return f" = {_value(field.default)!r}"


def _member(owner: str, name: str, member: object) -> Iterator[str]:
    if isinstance(member, property):
        yield f"**{owner}.{name}** (property)\n"
        yield prose(inspect.getdoc(member) or "")
    elif isinstance(member, classmethod | staticmethod) or inspect.isfunction(member):
        function = getattr(member, "__func__", member)
        if doc := inspect.getdoc(function):
            yield code(signature(f"{owner}.{name}", function))
            yield prose(doc)


def signature(name: str, value: object) -> str:
    """Return the call as one would write it, one argument a line where it is long."""
    found = inspect.signature(value)  # type: ignore[arg-type]
    shown = [
        p.replace(
            annotation=p.empty if p.annotation is p.empty else Plain(_annotation(p.annotation)),
            default=p.default if p.default is p.empty else _value(p.default),
        )
        for p in found.parameters.values()
        if p.name not in {"self", "cls"}
    ]
    back = found.return_annotation
    arrow = "" if back is found.empty else f" -> {_annotation(back)}"
    word = "async " if inspect.iscoroutinefunction(value) else ""
    inner = str(inspect.Signature(shown))
    line = f"{word}{name}{inner}{arrow}"
    if len(line) <= WIDTH:
        return line
    # A bare `*` or `/` is no parameter of its own: split the text, but only at the top level.
    arguments = "".join(f"    {argument},\n" for argument in _split(inner[1:-1]))
    return f"{word}{name}(\n{arguments}){arrow}"


def _split(arguments: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, sign in enumerate(arguments):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            yield arguments[start:place].strip()
            start = place + 1
    yield arguments[start:].strip()


def _annotation(value: object) -> str:
    return value if isinstance(value, str) else inspect.formatannotation(value)


def _value(value: object) -> object:
    """Return a default as a signature can show it: no memory address, no whole function."""
    if inspect.isroutine(value) or inspect.isclass(value):
        return Plain(value.__name__)
    if isinstance(value, enum.Enum):
        return Plain(f"{type(value).__name__}.{value.name}")
    text = re.sub(r"<(\w+\.\w+): [^<>]*>", r"\1", repr(value))
    return Plain("..." if " at 0x" in text else text)


def assignment(module: ModuleType, name: str) -> tuple[str, str]:
    """Return how a constant or a type alias is written, and the text below it, if any."""
    body = ast.parse(inspect.getsource(module)).body
    for place, node in enumerate(body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in {getattr(target, "id", None) for target in targets}:
            below = body[place + 1] if place + 1 < len(body) else None
            text = getattr(getattr(below, "value", None), "value", None)
            shown = ast.unparse(node)
            short = shown if len(shown) <= 2 * WIDTH else f"{name} = ..."
            return short, inspect.cleandoc(text) if isinstance(text, str) else ""
    for node in ast.walk(ast.Module(body, [])):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return assignment(importlib.import_module(str(node.module)), name)
    return "", ""


def code(text: str) -> str:
    """Return a fenced block; `py`, so that nobody takes it for an example that runs."""
    return f"```py\n{text}\n```\n"


def prose(doc: str) -> str:
    """Return a docstring as Markdown: its sections as lists, its examples fenced."""
    lines: list[str] = []
    section = example = False
    for line in inspect.cleandoc(doc).splitlines():
        if example and not line.strip():
            lines.append("```")
            example = False
        elif line.startswith(">>> ") and not example:
            lines.append("```pycon")
            example = True
        if header := re.fullmatch(r"(Args|Raises|Returns|Yields|Attributes):", line):
            lines.append(f"**{header[1]}**\n")
            section = True
        elif section and (item := re.fullmatch(r" {4}(\*{0,2}\w[\w.]*): (.*)", line)):
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif section and line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            section = section and not line.strip()
            lines.append(line)
    lines += ["```"] if example else []
    blocks = "\n".join(lines).strip().split("\n\n")
    drawn = (f"```text\n{block}\n```" if "──" in block else block for block in blocks)
    return "\n\n".join(drawn) + "\n" if doc.strip() else ""


if __name__ == "__main__":
    TARGET.write_text(reference(packages()))
    sys.stdout.write(f"{TARGET.relative_to(ROOT)} is written\n")
