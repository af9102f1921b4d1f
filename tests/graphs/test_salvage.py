# ruff: noqa: E501 (one line a case)
"""One mistake in a file does not hide the others, and nothing is told because of it alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts.spec import WorkflowSpec
from concertmaster.graphs.readiness import check
from concertmaster.graphs.salvage import salvage
from concertmaster.graphs.sources import Source, read_source
from concertmaster.graphs.workspace import read_workspace

FLOW, INTENTS, PLANS = "workflow.yaml", "intents.yaml", "playbooks.yaml"

UNFIT = [
    (FLOW, "    owner: money\n", "    ownr: money\n"),
    (FLOW, "    owner: money\n", "    owner: 3\n"),
    (FLOW, "    timeout: 20s\n    retry: {attempts: 3}", "    timeout: soon\n    retry: {attempts: 3}"),
    (FLOW, "    timeout: 20s\n    retry: {attempts: 3}", "    timeout: 20s\n    retry: {attempts: 33}"),
    (FLOW, "tier: capable", "tier: capble"),
    (FLOW, "    tools:\n      - get_order\n      - refund\n", "    tools: get_order\n"),
    (FLOW, "    permission: policies/desk.cedar", "    permission: [policies/desk.cedar]"),
    (FLOW, "name: done_once, target: 1.0", "name: done_once"),
    (FLOW, "    agent: executor\n", ""),
    (FLOW, "  - {to: finish}", "  - {to: finish, ask: [respond]}"),
    (FLOW, '{when: "draft == null", to: respond}', '{when: "draft == null", two: respond}'),
    (FLOW, "  money: {role: finance, contact: money@shop.example}", "  money: {role: finance}"),
    (FLOW, "  default_owner: ops", "  default_owner: ops\n  budget: huge"),
    (FLOW, "knowledge:\n  paths: [knowledge]\n  default_owner: ops\n", "knowledge: [knowledge]\n"),
    (FLOW, "owner: ops\nsuccess_metric", "ownr: ops\nsuccess_metric"),
    (INTENTS, "    playbook: refund", "    playbok: refund"),
    (INTENTS, "  - name: refund\n    owner: money\n", "  - name: refund\n"),
    (PLANS, "  - name: refund\n", "  - name: refund\n    slotz: []\n"),
    (PLANS, "type: integer}", "type: intger}"),
    (PLANS, "        tool: get_order\n", ""),
    (PLANS, "playbooks:\n", "playbook:\n"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new"), UNFIT)
def test_what_does_not_fit_is_the_only_finding(changed, file, old, new):
    changed(file, old, new)
    found = check(changed.folder)
    assert {(p.code, p.file) for p in found} == {("spec", str(changed.file))}


@pytest.mark.parametrize(("file", "old", "new"), UNFIT)
def test_other_mistakes_are_found_as_well(changed, file, old, new):
    changed(file, old, new)
    flow = changed.folder / FLOW
    flow.write_text(flow.read_text().replace("  - id: search\n", "  - id: search\n    playbook: lost_one\n"))  # fmt: skip
    (changed.folder / "policies" / "more.cedar").write_text("permit (principal, action, resource);")
    codes = {p.code for p in check(changed.folder)}
    assert {"spec", "unknown-playbook", "policy"} <= codes


def test_lines_stay_right_when_an_item_goes(changed):
    changed(FLOW, "  - id: search\n    agent: retriever\n", "  - id: search\n")
    changed.again("    owner: money\n", "    owner: mony\n")
    found = check(changed.folder)
    text = (changed.folder / FLOW).read_text().splitlines()
    assert [(p.code, text[p.line - 1].strip()) for p in found] == [
        ("spec", "- id: search"),
        ("unknown-owner", "owner: mony"),
    ]


def test_two_files_that_do_not_fit_are_both_salvaged(changed):
    changed(FLOW, "    owner: money\n", "    owner: mony\n    ownr: x\n")
    intents = changed.folder / INTENTS
    intents.write_text(intents.read_text().replace("    playbook: refund", "    playbook: refnd\n    x: 1"))  # fmt: skip
    assert [(Path(p.file).name, p.code) for p in check(changed.folder)] == [
        (INTENTS, "unknown-playbook"),
        (INTENTS, "spec"),
        (FLOW, "unknown-owner"),
        (FLOW, "spec"),
    ]


def test_nothing_runs_on_what_was_salvaged(changed):
    changed(FLOW, "    owner: money\n", "    ownr: money\n")
    workspace, problems = read_workspace(changed.folder)
    assert workspace is None
    assert [p.code for p in problems] == ["spec"]


@pytest.mark.parametrize("text", ["[]", "workflow: x\nsteps: []\nroutes: []\n", "steps: 3\n"])
def test_file_that_says_too_little_is_told_alone(changed, text):
    changed(FLOW, "", text)
    assert {p.code for p in check(changed.folder)} <= {"spec", "type"}


def test_what_went_is_noted(tmp_path):
    file = tmp_path / FLOW
    file.write_text(
        "workflow: w\nsteps:\n  - {id: a}\n  - {id: b, agent: responder, ownr: x}\nroutes:\n"
        "  - {to: a, ask: [b]}\n  - {to: b}\n"
    )
    source, problems = read_source(file)
    assert problems == []
    model, left = salvage(WorkflowSpec, source)
    assert [s.id for s in model.steps] == ["b"]
    assert [r.to for r in model.routes] == ["b"]
    assert left.removed == {("steps", 0), ("steps", 0, "ownr"), ("routes", 0)}
    assert left.lost == {"a"}
    assert (left.line(("steps", 0)), left.line(("routes", 0))) == (4, 7)


KEYS = st.sampled_from([*WorkflowSpec.model_fields, "id", "agent", "to", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(JSON)
def test_any_value_is_salvaged_or_given_up(value):
    base = {"workflow": "w", "steps": [{"id": "a", "agent": "responder"}], "routes": [{"to": "a"}]}
    given_value = {**base, **value} if isinstance(value, dict) else base
    kept = salvage(WorkflowSpec, Source(Path(FLOW), given_value))
    assert kept is None or kept[0] == WorkflowSpec.model_validate(kept[1].value)
