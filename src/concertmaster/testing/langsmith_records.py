"""What the stub of LangSmith holds: projects, runs, feedback, datasets, examples, and what is wrong
with them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["Malformed", "Records", "check_run", "now"]

TENANT = "00000000-0000-4000-8000-000000000001"
_KINDS = frozenset(
    {"chain", "llm", "tool", "retriever", "embedding", "prompt", "parser"}  # as in the API's schema
)
_PARTS = ("inputs", "outputs", "events", "extra", "error", "serialized")


class Malformed(ValueError):
    """A record that the service would not take; the message says why."""


def now() -> str:
    """Return the current time as the service writes it."""
    return datetime.now(UTC).isoformat()


def _uuid(value: object, what: str) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise Malformed(f"{what} {value!r} is no UUID") from None


def check_run(run: Mapping[str, Any]) -> None:
    """Raise Malformed for a run that the service would refuse: ids, order, kind, name, times."""
    run_id, trace = _uuid(run.get("id"), "id"), _uuid(run.get("trace_id"), "trace_id")
    if not run.get("name") or not isinstance(run["name"], str):
        raise Malformed(f"run {run_id} has no name")
    if run.get("run_type") not in _KINDS:
        raise Malformed(f"run {run_id}: there is no run_type {run.get('run_type')!r}")
    if not run.get("start_time"):
        raise Malformed(f"run {run_id} has no start_time")
    if not (run.get("session_name") or run.get("session_id") or run.get("address")):
        raise Malformed(f"run {run_id} names no project")
    order = [part[-36:] for part in str(run.get("dotted_order") or "").split(".")]
    # Each part ends in a run's id; the time before it holds a point only by its own format.
    order = [part for part in order if len(part) == 36]
    if not order or order[0] != trace or order[-1] != run_id:
        raise Malformed(f"run {run_id}: its dotted_order does not lead from its trace to it")
    parent = run.get("parent_run_id")
    if parent is None and trace != run_id:
        raise Malformed(f"run {run_id} is no root and names no parent")
    if parent is not None and (len(order) < 2 or order[-2] != _uuid(parent, "parent_run_id")):
        raise Malformed(f"run {run_id}: its parent is not the one before it in dotted_order")
    for name, kind in (("inputs", dict), ("outputs", dict), ("extra", dict), ("tags", list)):
        if run.get(name) is not None and not isinstance(run[name], kind):
            raise Malformed(f"run {run_id}: {name} is no {kind.__name__}")


@dataclass
class Records:
    """Everything that came in and was well formed; `rejected` says what was not.

    Runs may come in any order, and in parts. What never became whole is told by `faults`.
    """

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    patches: dict[str, dict[str, Any]] = field(default_factory=dict)
    feedback: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)

    def post_run(self, run: dict[str, Any]) -> None:
        """Take a new run, with what came earlier of its end."""
        check_run(run)
        run = {**run, **self.patches.pop(str(run["id"]), {})}
        self.runs[str(run["id"])] = run
        self.project_named(run)

    def patch_run(self, patch: dict[str, Any]) -> None:
        """Take what is new of a run; it may be here before its beginning."""
        run_id = _uuid(patch.get("id"), "id")
        told = {k: v for k, v in patch.items() if v is not None}
        if run_id in self.runs:
            self.runs[run_id].update(told)
        else:
            self.patches.setdefault(run_id, {}).update(told)

    def project_named(self, run: Mapping[str, Any]) -> None:
        """Make the project of a run if there is none of its name, as the service does."""
        name = run.get("session_name")
        if name and all(p["name"] != name for p in self.projects.values()):
            self.add_project({"name": name})

    def add_project(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Store a project.

        Raises:
            Malformed: it has no name, or refers to a dataset that is not here.
        """
        if not body.get("name"):
            raise Malformed("a project needs a name")
        dataset = body.get("reference_dataset_id")
        if dataset is not None and str(dataset) not in self.datasets:
            raise Malformed(f"there is no dataset {dataset}")
        project_id = _uuid(body.get("id") or uuid.uuid4(), "id")
        project = {
            "start_time": now(),
            "reference_dataset_id": None,
            **body,
            "id": project_id,
            "tenant_id": TENANT,
        }
        self.projects[project_id] = project
        return project

    def add_dataset(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Store a dataset.

        Raises:
            Malformed: it has no name, or there is one of it.
        """
        if not body.get("name"):
            raise Malformed("a dataset needs a name")
        if any(d["name"] == body["name"] for d in self.datasets.values()):
            raise Malformed(f"there is a dataset {body['name']!r} already")
        dataset_id = _uuid(body.get("id") or uuid.uuid4(), "id")
        stored = {"created_at": now(), "modified_at": now(), **body, "id": dataset_id}
        self.datasets[dataset_id] = stored
        return stored

    def add_example(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Store an example.

        Raises:
            Malformed: its dataset is not here, or it has no inputs.
        """
        dataset = str(body.get("dataset_id"))
        if dataset not in self.datasets:
            raise Malformed(f"there is no dataset {dataset}")
        if not isinstance(body.get("inputs"), dict):
            raise Malformed("an example needs inputs")
        example_id = _uuid(body.get("id") or uuid.uuid4(), "id")
        stored = {"created_at": now(), "modified_at": now(), **body, "id": example_id}
        self.examples[example_id] = stored
        return stored

    def add_feedback(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Store feedback.

        Raises:
            Malformed: it has no key, or belongs to nothing.
        """
        if not body.get("key"):
            raise Malformed("feedback needs a key")
        if not (body.get("run_id") or body.get("session_id")):
            raise Malformed(f"feedback {body['key']!r} belongs to no run and no project")
        for name in ("run_id", "trace_id", "session_id"):
            if body.get(name) is not None:
                _uuid(body[name], name)
        stored = {**body, "id": _uuid(body.get("id") or uuid.uuid4(), "id")}
        self.feedback[stored["id"]] = stored
        return stored

    def orphans(self) -> list[str]:
        """Return the runs whose parent, trace or example never came."""
        return [
            run_id
            for run_id, run in self.runs.items()
            if (run.get("parent_run_id") and str(run["parent_run_id"]) not in self.runs)
            or str(run["trace_id"]) not in self.runs
            or (run.get("reference_example_id") and self.examples
                and str(run["reference_example_id"]) not in self.examples)
        ]  # fmt: skip

    def faults(self) -> list[str]:
        """Return what is wrong with all that came in, a sentence each."""
        orphaned = [
            f"run {i} ({self.runs[i]['name']}) is an orphan: its parent or trace never came"
            for i in self.orphans()
        ]
        open_ = [
            f"run {i} ({r['name']}) never ended"
            for i, r in self.runs.items()
            if not r.get("end_time")
        ]
        ends = [f"the end of run {i} came without its beginning" for i in self.patches]
        stray = [
            f"feedback {f['key']!r} is of run {f['run_id']}, which never came"
            for f in self.feedback.values()
            if f.get("run_id") and str(f["run_id"]) not in self.runs
        ]
        return [*self.rejected, *orphaned, *open_, *ends, *stray]


def joined(parts: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Put the parts of a multipart request together: `(kind, record)`, kinds as in part names.

    Raises:
        Malformed: a part's name is none of the protocol's, or belongs to no record.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name, value in parts.items():
        kind, _, rest = name.partition(".")
        record_id, _, piece = rest.partition(".")
        if kind not in ("post", "patch", "feedback", "attachment"):
            raise Malformed(f"there is no part {name!r}")
        if kind == "attachment":
            continue
        if not piece:
            if not isinstance(value, dict) or str(value.get("id")) != record_id:
                raise Malformed(f"part {name!r} is not the record {record_id}")
            found[kind, record_id] = dict(value)
        elif piece not in _PARTS or (kind, record_id) not in found:
            raise Malformed(f"part {name!r} belongs to nothing")
        else:
            found[kind, record_id][piece] = value
    return [(kind, record) for (kind, _), record in found.items()]
