"""Datasets: JSON Lines, one case a line; what is wrong with them is told with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from concertmaster.contracts import digest
from concertmaster.contracts.spec import TERMINALS
from concertmaster.errors import ConfigError
from concertmaster.evaluation.cases import OUT_OF_SCOPE, Case, Expected
from concertmaster.graphs.problems import Problem, closest
from concertmaster.graphs.workspace import Workspace

__all__ = ["Dataset", "check_dataset", "dataset_schema", "read_dataset", "refuse", "write_dataset"]

_LARGEST = 50_000_000
_SHOWN = 10


@dataclass(frozen=True)
class Dataset:
    """The cases of a file, and the line on which each of them stands."""

    file: Path
    cases: tuple[Case, ...]
    lines: tuple[int, ...]

    @property
    def digest(self) -> str:
        """What identifies the cases, whatever their order and layout."""
        return digest(
            sorted((c.model_dump(mode="json", by_alias=True) for c in self.cases), key=_id)
        )

    def tagged(self, tags: Sequence[str]) -> Dataset:
        """Return the cases that have one of the tags; all of them if none is named.

        Raises:
            ConfigError: no case has a tag.
        """
        if not tags:
            return self
        known = {tag for case in self.cases for tag in case.tags}
        for tag in tags:
            if tag not in known:
                raise ConfigError(
                    f"no case of {self.file.name} is tagged {tag!r}",
                    hint=closest(tag, known)
                    or f"there are {', '.join(sorted(known)) or 'no tags'}",
                )
        kept = [n for n, case in enumerate(self.cases) if set(tags) & set(case.tags)]
        return Dataset(
            self.file, tuple(self.cases[n] for n in kept), tuple(self.lines[n] for n in kept)
        )


def _id(case: dict[str, Any]) -> str:
    return str(case["id"])


def dataset_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of a dataset."""
    schema = Case.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A case"}


def read_dataset(file: Path, workspace: Workspace | None = None) -> Dataset:
    """Read a dataset, and check it against the workspace that is to be evaluated.

    Raises:
        ConfigError: a line is no case, an id stands there twice, or the workspace knows none of
            the people, tools, intents, owners or steps that a case names. Everything that is wrong
            is listed with its line.
    """
    cases: list[Case] = []
    lines: list[int] = []
    problems: list[Problem] = []
    for number, text in _lines_of(file):
        found = _case(file, number, text)
        if isinstance(found, Case):
            cases.append(found)
            lines.append(number)
        else:
            problems += found
    dataset = Dataset(file, tuple(cases), tuple(lines))
    problems += _twice(dataset)
    if workspace is not None:
        problems += check_dataset(dataset, workspace)
    refuse(file, problems)
    if not cases:
        raise ConfigError(f"{file} holds no case", hint="write one JSON object a line")
    return dataset


def refuse(file: Path, problems: Sequence[Problem]) -> None:
    """Raise ConfigError with the findings, if there are any."""
    if not problems:
        return
    ordered = sorted(problems, key=Problem.order)
    listed = "\n".join(f"  {problem}" for problem in ordered[:_SHOWN])
    more = f"\n  … and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    raise ConfigError(
        f"{file} is no sound dataset; nothing was run:\n{listed}{more}",
        hint="`concertmaster schema evaluation` tells what a line may hold",
    )


def write_dataset(file: Path, cases: Iterable[Case]) -> None:
    """Write cases as JSON Lines, without what is not said."""
    lines = [
        json.dumps(
            case.model_dump(mode="json", by_alias=True, exclude_defaults=True), ensure_ascii=False
        )
        for case in cases
    ]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _lines_of(file: Path) -> Iterator[tuple[int, str]]:
    try:
        raw = file.read_bytes()
        if len(raw) > _LARGEST:
            raise ConfigError(f"{file}: {len(raw)} bytes, more than {_LARGEST}")
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}", hint="name a file of JSON Lines"
        ) from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{file.name}:{line}: is not UTF-8 text") from error
    for number, written in enumerate(text.split("\n"), start=1):
        if written.strip():
            yield number, written


def _case(file: Path, number: int, text: str) -> Case | list[Problem]:
    def wrong(message: str, hint: str | None = None) -> Problem:
        return Problem(code="dataset", file=str(file), line=number, message=message, hint=hint)

    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_no_number)
    except RecursionError:
        return [wrong("nests too deeply")]
    except ValueError as error:
        return [wrong(f"is no valid JSON: {error}")]
    if not isinstance(value, dict):
        return [wrong("is no JSON object")]
    try:
        return Case.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return [wrong(*_told(item, value)) for item in found]


def _told(item: Any, value: dict[str, Any]) -> tuple[str, str | None]:
    place = ".".join(str(part) for part in item["loc"])
    case = f"case {value['id']!r}: " if isinstance(value.get("id"), str) else ""
    if item["type"] == "extra_forbidden":
        return f"{case}{place}: there is no such field", closest(str(item["loc"][-1]), _FIELDS)
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{case}{place or 'the case'}: {message[:1].lower()}{message[1:]}", None


def _fields(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from _fields(inner)


_FIELDS = frozenset(_fields(Case.model_json_schema(by_alias=True)))


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, inner in pairs:
        if key in value:
            raise ValueError(f"the key {key!r} stands there twice")
        value[key] = inner
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _twice(dataset: Dataset) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for case, line in zip(dataset.cases, dataset.lines, strict=True):
        before = first.setdefault(case.id, line)
        if before != line:
            yield Problem(
                code="dataset",
                file=str(dataset.file),
                line=line,
                message=f"id: two cases are called {case.id!r} (first in line {before})",
                hint="give each its own id",
            )


def check_dataset(dataset: Dataset, workspace: Workspace) -> list[Problem]:
    """Return what the cases name that the workspace does not have."""
    known = _known(workspace)
    return [
        Problem(
            code="dataset",
            file=str(dataset.file),
            line=line,
            message=f"case {case.id!r}: {place}: there is no {kind} {name!r}",
            hint=closest(name, known[kind]) or _listing(kind, known[kind]),
        )
        for case, line in zip(dataset.cases, dataset.lines, strict=True)
        for kind, place, name in _named(case)
        if name not in known[kind]
    ]


def _known(workspace: Workspace) -> dict[str, frozenset[str]]:
    spec = workspace.spec
    roles = {role for person in spec.principals.principals for role in person.roles}
    roles |= {owner.role for owner in spec.workflow.owners.values() if owner.role}
    return {
        "principal": frozenset(person.id for person in spec.principals.principals),
        "tool": frozenset(workspace.toolbox.names),
        "intent": frozenset(i.name for i in spec.intents.intents) | {OUT_OF_SCOPE},
        "owner": frozenset(spec.workflow.owners),
        "step": frozenset(step.id for step in spec.workflow.steps) | set(TERMINALS),
        "role": frozenset(roles),
    }


def _named(case: Case) -> Iterator[tuple[str, str, str]]:
    """Yield what a case names: the kind, the field, the name."""
    yield "principal", "principal", case.principal
    for n, review in enumerate(case.reviewer):
        yield "principal", f"reviewer.{n}.as", review.who
        if review.tool is not None:
            yield "tool", f"reviewer.{n}.tool", review.tool
    for n, said in enumerate(case.messages):
        yield from _expected(said.expected, f"messages.{n}.expected")
    yield from _expected(case.expected, "expected")


def _expected(expected: Expected, at: str) -> Iterator[tuple[str, str, str]]:
    if expected.intent is not None:
        yield "intent", f"{at}.intent", expected.intent
    if expected.owner is not None:
        yield "owner", f"{at}.owner", expected.owner
    for kind, field, names in (
        ("step", "path", expected.path or ()),
        ("role", "reviewers", expected.reviewers or ()),
        ("tool", "effects", expected.effects or ()),
        ("tool", "forbidden", expected.forbidden),
        ("tool", "tools", tuple(call.tool for call in expected.tools or ())),
    ):
        for name in names:
            yield kind, f"{at}.{field}", name


def _listing(kind: str, known: Iterable[str]) -> str:
    listed = sorted(known)
    shown = ", ".join(listed[:6]) + (", …" if len(listed) > 6 else "")
    return f"the workspace has {shown}" if listed else f"the workspace has no {kind}"
