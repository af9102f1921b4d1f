"""Knowledge: its paths hold documents, and everybody named as an owner is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import ConcertmasterError
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem, closest
from concertmaster.retrieval.access import parse_readers
from concertmaster.retrieval.documents import Document, Skipped
from concertmaster.retrieval.loading import load

__all__ = ["check_knowledge"]

_AT = re.compile(r"(.*):(\d+)", re.DOTALL)


def check_knowledge(subject: Subject) -> Iterator[Problem]:
    """Look at the section `knowledge` and at the documents that it names."""
    spec = subject.workflow.knowledge
    if spec is None:
        return
    faults = list(_rules(subject, spec))
    yield from faults
    owners = subject.workflow.owners
    named: list[tuple[Place, str | None]] = [(("default_owner",), spec.default_owner)]
    named += [(("rules", i, "owner"), rule.owner) for i, rule in enumerate(spec.rules)]
    for place, owner in named:
        if owner is not None and owner not in owners:
            at = ("workflow", "knowledge", *place)
            yield subject.unknown(at, "owner", owner, owners, "knowledge")
    if not faults:
        for index, path in enumerate(subject.workspace.knowledge):
            yield from _documents(subject, spec, path, ("workflow", "knowledge", "paths", index))
        folder = subject.workspace.path or Path()
        for tenant, own in spec.tenants.items():
            for index, name in enumerate(own.paths):
                at = ("workflow", "knowledge", "tenants", tenant, "paths", index)
                yield from _documents(subject, spec, folder / name, at)


def _rules(subject: Subject, spec: KnowledgeSpec) -> Iterator[Problem]:
    readers: list[tuple[Place, tuple[str, ...]]] = [(("default_readers",), spec.default_readers)]
    readers += [(("rules", i, "readers"), rule.readers) for i, rule in enumerate(spec.rules)]
    for place, entries in readers:
        try:
            parse_readers(entries)
        except ValueError as error:
            at = ("workflow", "knowledge", *place)
            yield subject.error(at, "knowledge-readers", f"knowledge: {error}")
    for index, rule in enumerate(spec.rules):
        try:
            re.compile(rule.title)
        except (re.error, OverflowError, RecursionError) as error:
            title = ("workflow", "knowledge", "rules", index, "title")
            told = f"knowledge: rule {index + 1}: its title is no regular expression: {error}"
            yield subject.error(title, "knowledge-rule", told)


def _documents(
    subject: Subject, spec: KnowledgeSpec, path: Path, place: Place
) -> Iterator[Problem]:
    if not path.exists():
        told = f"knowledge: there is no file or folder {path.name!r}"
        hint = f"make {path}, or correct `paths`"
        yield subject.error(place, "knowledge-path", told, hint)
        return
    try:
        documents, skipped = load((path,), spec)
    except (ConcertmasterError, OSError) as error:
        told = f"knowledge: {path.name!r} cannot be read: {error}"
        yield subject.error(place, "knowledge-path", told)
        return
    if not documents:
        told = f"knowledge: {path.name!r} holds no documents"
        hint = "put files with text there: Markdown, text, HTML, PDF, Word, CSV or JSON lines"
        yield subject.error(place, "knowledge-empty", told, hint)
    yield from map(_left_out, skipped)
    for document in documents:
        yield from _owned(subject, document)


def _left_out(skipped: Skipped) -> Problem:
    file, line = _where(skipped.source)
    told = f"the document is left out: it {skipped.why}"
    return Problem(severity="warning", code="document", file=file, line=line, message=told)


def _owned(subject: Subject, document: Document) -> Iterator[Problem]:
    owners = subject.workflow.owners
    known = (*owners, subject.workflow.knowledge and subject.workflow.knowledge.default_owner)
    if document.owner is None or document.owner in known:
        return
    file, line = _where(document.source)
    told = f"document {document.id!r}: there is no owner {document.owner!r}"
    hint = closest(document.owner, owners) or "declare it under `owners` in workflow.yaml"
    yield Problem(code="unknown-owner", file=file, line=line, message=told, hint=hint)


def _where(source: str) -> tuple[str, int]:
    match = _AT.fullmatch(source)
    return (match[1], int(match[2])) if match else (source, 1)
