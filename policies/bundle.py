"""The policies of a folder, read, checked against the tools, with every problem found.

Besides what Cedar's validator finds, a policy is refused for what would make it quietly
ineffective: an annotation nobody reads, an obligation nobody understands, a test for an
attribute that no tool has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from concertmaster.contracts import Deadline, ReviewNeed, ToolShape
from concertmaster.policies.obligations import KNOWN_FORMS, parse_obligation, split_obligations
from concertmaster.policies.presence import unknown_tests
from concertmaster.policies.schema import Vocabulary, vocabulary
from concertmaster.policies.statements import Problem, Statement, split
from concertmaster.policies.validation import named, validator_problems

if TYPE_CHECKING:
    from cedarpy import Schema

__all__ = ["Bundle", "Policy", "check", "read_bundle"]

_ANNOTATIONS = ("id", "reason", "obligation")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One statement with what its annotations say. `actions` is None if it is for every tool."""

    id: str
    effect: Literal["permit", "forbid"]
    text: str
    actions: frozenset[str] | None = None
    reason: str | None = None
    obligations: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    column: int = 1

    def governs(self, tool: str) -> bool:
        """Tell whether calls of this tool are put to this policy."""
        return self.actions is None or tool in self.actions

    @property
    def sentence(self) -> str:
        """The reason for people: the annotation, or a composed one."""
        verb = "permitted" if self.effect == "permit" else "forbidden"
        return self.reason or f"{verb} by the policy {self.id}"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a folder holds: the sound policies, and the problems of the others."""

    policies: tuple[Policy, ...]
    problems: tuple[Problem, ...]


def check(folder: Path | None, shapes: Mapping[str, ToolShape]) -> list[Problem]:
    """Return every problem of the policies in a folder, in file order; raises nothing for them."""
    return list(read_bundle(folder, shapes).problems)


def read_bundle(folder: Path | None, shapes: Mapping[str, ToolShape]) -> Bundle:
    """Read all `*.cedar` files of a folder, sorted by name, and check them against the tools."""
    if folder is None:
        return Bundle(policies=(), problems=())
    return _Reader(shapes).read(folder)


class _Reader:
    def __init__(self, shapes: Mapping[str, ToolShape]) -> None:
        from cedarpy import Schema

        self._words: Vocabulary = vocabulary(shapes)
        self._tools = frozenset(shapes)
        self._schema: Schema = Schema.from_json_str(json.dumps(self._words.cedar_schema()))
        self._policies: list[Policy] = []
        self._taken: dict[str, Statement] = {}
        self._problems: list[Problem] = []

    def read(self, folder: Path) -> Bundle:
        if not folder.is_dir():
            problem = Problem(file=str(folder), line=1, message="there is no such folder")
            return Bundle(policies=(), problems=(problem,))
        for path in sorted(folder.glob("*.cedar")):
            self._file(path)
        return Bundle(policies=tuple(self._policies), problems=tuple(self._problems))

    def _file(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            told = "is not UTF-8 text" if isinstance(error, ValueError) else "cannot be read"
            self._problems.append(Problem(file=str(path), line=1, message=f"the file {told}"))
            return
        found = list(split(str(path), text))
        before = len(self._problems)
        for item in found:
            self._problems += [item] if isinstance(item, Problem) else self._statement(item)
        if len(self._problems) == before and _count(text) != len(found):
            self._problems.append(
                Problem(file=str(path), line=1, message="the file cannot be cut into policies")
            )

    def _statement(self, statement: Statement) -> list[Problem]:
        from cedarpy import policies_to_json_str

        try:
            parsed = json.loads(policies_to_json_str(statement.text))
        except ValueError as error:
            return [statement.problem(f"this is no Cedar policy: {error}", near=named(str(error)))]
        except RecursionError:
            return [statement.problem("the condition is too long; split the policy")]
        tree = next(iter(parsed["staticPolicies"].values()), None)
        if tree is None:
            return [statement.problem("templates (?principal, ?resource) are not supported")]
        annotations: dict[str, str | None] = tree.get("annotations") or {}
        actions = _actions(tree)
        seen = self._tools if actions is None else self._tools & actions
        problems = [
            *self._annotation_problems(statement, annotations, tree["effect"]),
            *validator_problems(statement, self._schema, self._words, seen),
            *unknown_tests(statement, tree, self._words, seen),
        ]
        if not problems:
            self._policies.append(_policy(statement, annotations, tree["effect"], actions))
        return problems

    def _annotation_problems(
        self, statement: Statement, annotations: Mapping[str, str | None], effect: str
    ) -> Iterator[Problem]:
        for name in annotations:
            if name not in _ANNOTATIONS:
                close = get_close_matches(name, _ANNOTATIONS, n=1, cutoff=0.5)
                known = (
                    f"did you mean @{close[0]}?" if close else "known are @id, @reason, @obligation"
                )
                yield statement.problem(f"nobody reads the annotation @{name}; {known}", near=name)
        id_ = annotations.get("id")
        if not id_:
            yield statement.problem('the policy has no name; write @id("…") before it')
        elif not _ID.fullmatch(id_):
            yield statement.problem(
                "an @id begins with a letter or digit and goes on with letters, digits and _.:/-"
            )
        elif (other := self._taken.setdefault(id_, statement)) is not statement:
            where = f"{other.file}:{other.line}"
            yield statement.problem(f"the @id {id_!r} is taken by {where}", near=id_)
        if "obligation" in annotations:
            yield from _obligation_problems(statement, annotations["obligation"] or "", effect)


def _obligation_problems(statement: Statement, text: str, effect: str) -> Iterator[Problem]:
    if effect == "forbid":
        yield statement.problem("an obligation belongs to a permit; a forbid has none")
    stated = {part: parse_obligation(part) for part in split_obligations(text)}
    for part, meant in stated.items():
        if meant is None:
            yield statement.problem(
                f"the obligation {part!r} is not understood; write {KNOWN_FORMS}", near="obligation"
            )
    timed = any(isinstance(meant, Deadline) for meant in stated.values())
    if timed and not any(isinstance(meant, ReviewNeed) for meant in stated.values()):
        yield statement.problem(
            "a deadline is about a review; write review:ROLE beside it", near="obligation"
        )


def _policy(
    statement: Statement,
    annotations: Mapping[str, str | None],
    effect: Literal["permit", "forbid"],
    actions: frozenset[str] | None,
) -> Policy:
    return Policy(
        id=annotations["id"] or "",
        effect=effect,
        text=statement.text,
        actions=actions,
        reason=annotations.get("reason"),
        obligations=split_obligations(annotations["obligation"] or "")
        if "obligation" in annotations
        else (),
        file=statement.file,
        line=statement.line,
        column=statement.column,
    )


def _actions(tree: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the tools that the scope of a parsed policy names; None stands for all."""
    scope = tree["action"]
    if scope["op"] == "All":
        return None
    entities = scope["entities"] if "entities" in scope else [scope["entity"]]
    return frozenset(e["id"] for e in entities if e["type"] == "Action")


def _count(text: str) -> int:
    from cedarpy import policies_to_json_str

    try:
        parsed = json.loads(policies_to_json_str(text))
    except (ValueError, RecursionError):
        return -1
    return len(parsed["staticPolicies"]) + len(parsed["templates"])
