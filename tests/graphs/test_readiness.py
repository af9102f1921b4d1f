# ruff: noqa: E501 (one line a case)
"""One mistake each in a sound workspace: exactly the finding that belongs to it, at its line."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concertmaster.graphs.problems import Problem
from concertmaster.graphs.readiness import check
from concertmaster.graphs.scaffold import templates
from concertmaster.graphs.workspace import Workspace

FLOW, INTENTS, PLANS = "workflow.yaml", "intents.yaml", "playbooks.yaml"
CEDAR, PEOPLE = "policies/desk.cedar", "principals.yaml"


def test_sound_workspace_has_no_findings(changed):
    assert check(changed()) == []


@pytest.mark.parametrize("name", templates())
def test_samples_have_no_errors(root, name):
    assert [str(p) for p in check(root / "examples" / name) if p.severity == "error"] == []


def test_step_without_an_owner(changed, only):
    old = "  - id: search\n    agent: retriever\n    owner: ops\n"
    changed(FLOW, old, "  - id: search  #!\n    agent: retriever\n")
    problem = only("missing-owner")
    assert "'search'" in problem.message
    assert problem.hint == "name one of the workflow's `owners`"


def test_every_word_that_the_gate_asks_for_is_missed(changed):
    bare = "    fallback: bare\n  - {id: bare, agent: responder}  #!\nroutes:\n"
    folder = changed(FLOW, "    fallback: refuse\nroutes:\n", bare)
    codes = {
        f"missing-{word}"
        for word in (
            "owner input model tools permission review success-metric timeout retry fallback"
        ).split()
    }
    assert {p.code for p in check(folder)} == codes
    assert {(p.file, p.line) for p in check(folder)} == {changed.at()}
    assert all(p.hint for p in check(folder))


def test_explicit_none_is_an_answer(changed):
    text = (changed() / FLOW).read_text()
    for answer in ("model: none", "tools: []", "permission: none", "review: none"):
        assert answer in text
    assert not [p for p in check(changed()) if p.code.startswith("missing")]


CASES = [
    # the workflow and its steps
    (FLOW, "workflow: desk\nowner: ops\n", "workflow: desk  #!\n", "missing-owner"),
    (FLOW, "owner: ops\nsuccess_metric", "owner: opps  #!\nsuccess_metric", "unknown-owner"),
    (FLOW, "    owner: money\n", "    owner: mony  #!\n", "unknown-owner"),
    (FLOW, "      - refund\n", "      - refund\n      - get_ordr  #!\n", "unknown-tool"),
    (FLOW, "    input: [evidence, results]", "    input: [evidence, reslts]  #!", "unknown-input"),
    (FLOW, "    permission: policies/desk.cedar", "    permission: policies/dsk.cedar  #!", "unknown-permission"),
    (FLOW, "    permission: policies/desk.cedar", "    permission: knowledge/fees.md  #!", "unknown-permission"),
    (FLOW, "    review: policy\n", "    review: policy\n    playbook: refnd  #!\n", "unknown-playbook"),
    (FLOW, "    fallback: refuse", "    fallback: responder  #!", "unknown-step"),
    (FLOW, "    fallback: refuse", "    fallback: finish  #!", "unknown-step"),
    (FLOW, "    fallback: refuse", "    fallback: respond  #!", "fallback-loop"),
    (FLOW, "    review: policy\n", "    review: {mode: always}  #!\n", "review-roles"),
    (FLOW, "  waiting:", "  wating:  #!\n   ", "unknown-message"),
    # routes
    (FLOW, "  - {to: finish}", '  - {when: "acted", to: finish}  #!', "no-final-route"),
    (FLOW, "  - {to: finish}", "  - {to: finish}\n  - {to: refuse}  #!\n  - {to: escalate}", "unreachable-route"),
    (FLOW, "  - {to: finish}", '  - {when: "true", to: finish}\n  - {to: escalate}  #!', "unreachable-route"),
    (FLOW, "  - {to: finish}", '  - {when: "acted", to: archive}  #!\n  - {to: finish}', "unknown-step"),
    (FLOW, "  - {to: finish}", '  - {when: "acted", ask: [respond, archive], otherwise: finish}  #!\n  - {to: finish}', "unknown-step"),
    (FLOW, "  - {to: finish}", '  - {when: "acted", ask: [respond], otherwise: archive}  #!\n  - {to: finish}', "unknown-step"),
    (FLOW, "  - {to: finish}", '  - {when: "acted", ask: [], otherwise: finish}  #!\n  - {to: finish}', "empty-ask"),
    (FLOW, "owner: intent.owner}", "owner: intent.ower}  #!", "unknown-owner"),
    (FLOW, '"intent.acts && !acted"', '"intent.act && !acted"', "condition"),
    (FLOW, '"intent.acts && !acted"', '"intent.acts &&"', "condition"),
    (FLOW, '"intent.acts && !acted"', '"intnt.acts && !acted"', "condition"),
    (FLOW, "check: \"draft.text != ''\"", "check: \"draft.txt != ''\"", "condition"),
    # intents
    (INTENTS, "    owner: money", "    owner: mony  #!", "unknown-owner"),
    (INTENTS, "    playbook: refund", "    playbook: refnd  #!", "unknown-playbook"),
    (INTENTS, "      - charged twice", "      - charged twice\n      - Fee  ONE  #!", "same-utterance"),
    (INTENTS, "[what is love]", "[My money back]  #!", "same-utterance"),
    # playbooks
    (PLANS, 'pattern: "because (.+)"', 'pattern: "because (.+"', "slot-pattern"),
    (PLANS, ', pattern: "because (.+)"', "", "slot-pattern"),
    (PLANS, "type: integer}", "type: enum}  #!", "slot-values"),
    (PLANS, "        tool: get_order\n", "        tool: get_ordr  #!\n", "unknown-tool"),
    (PLANS, "        tool: get_order\n", "        tool: spare  #!\n", "playbook-tool"),
    (PLANS, '"=results.order.cents"', '"=results.ordr.cents"', "condition"),
    (PLANS, '"=results.order.cents"', "\"=results['ordr'].cents\"", "condition"),
    (PLANS, '"=results.order.cents"', '"=slots.cents"', "condition"),
    (PLANS, '"=results.order.cents"', '"=principl.id"', "condition"),
    (PLANS, "{=slots.order}", "{=slots.ordr}", "condition"),
    (PLANS, "{=slots.order}", "{=slots.order", "condition"),
    (PLANS, "results.paid.cents > 0", "results.paid.cents >", "condition"),
    (PLANS, "{=money(results.paid.cents, 'EUR')}", "{=money(result.paid.cents, 'EUR')}", "condition"),
    (PLANS, 'cents: "=results.order.cents"', 'cents: 5, note: "x"', "call-arguments"),
    (PLANS, ', cents: "=results.order.cents"', "", "call-arguments"),
    # policies and knowledge
    (CEDAR, 'Action::"get_order"', 'Action::"get_ordr"', "policy"),
    (CEDAR, "review:finance", "revue:finance", "policy"),
    (CEDAR, "resource);\n\n@id", "resource) when { context.args.nr == 1 };\n\n@id", "policy"),
    (FLOW, "paths: [knowledge]", "paths: [knowlege]  #!", "knowledge-path"),
    (FLOW, "  default_owner: ops", "  default_owner: oops  #!", "unknown-owner"),
    (FLOW, "  default_owner: ops", "  default_owner: ops\n  default_readers: [staff]  #!", "knowledge-readers"),
    (FLOW, "  default_owner: ops", "  default_owner: ops\n  rules: [{title: '(', readers: [everyone]}]  #!", "knowledge-rule"),
    (FLOW, "  default_owner: ops", "  default_owner: ops\n  rules: [{title: x, readers: [everyone], owner: oops}]  #!", "unknown-owner"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "code"), CASES)
def test_one_mistake_is_found_at_its_line(changed, only, file, old, new, code):
    changed(file, old, new)
    only(code)


DUPLICATES = [
    (FLOW, "  - id: respond\n", "  - id: search  #!\n", "step"),
    (FLOW, "rules:\n", "rules:\n  - {id: polite, check: 'true', why: x}\n", "rule"),
    (INTENTS, "  - name: refund\n", "  - name: fees  #!\n", "intent"),
    (PLANS, "reply:\n", "reply: []\n  - name: refund  #!\n    calls: [{key: x, stop: y}]\n    reply:\n", "playbook"),
    (PLANS, "    calls:\n", "      - {name: order, type: integer}  #!\n    calls:\n", "slot"),
    (PLANS, "      - key: order\n", "      - {key: paid, tool: get_order, arguments: {order: 1}}\n      - key: order\n", "call"),
    (PEOPLE, "id: li", "id: ana", "principal"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "noun"), DUPLICATES)
def test_duplicates_are_found_where_they_stand_again(changed, file, old, new, noun):
    changed(file, old, new)
    found = [p for p in check(changed.folder) if p.code == "duplicate"]
    assert len(found) == 1
    assert found[0].message.startswith(f"two {noun}s ")
    assert "(first in line " in found[0].message
    if "#!" in new:
        assert (found[0].file, found[0].line) == changed.at()


WARNINGS = [
    (INTENTS, ", fee eight]", "]", "few-utterances"),
    (INTENTS, "    playbook: refund\n", "    acts: true\n", "needs-model"),
    (FLOW, "      - refund\n", "      - refund\n      - spare\n", "unpermitted-tool"),
    (FLOW, "    permission: policies/desk.cedar", "    permission: none", "no-permission"),
    (FLOW, "results]\n    model: none\n    tools: []", "results]\n    model: none\n    tools: [get_order]", "idle-tools"),
    ("playbook.yaml", "", "playbooks: []  #!\n", "file"),
    ("intents.yml", "", "intents: []  #!\n", "file"),
    ("knowledge/empty.md", "", "#!\n", "document"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "code"), WARNINGS)
def test_doubtful_places_are_warned_about(changed, only, file, old, new, code):
    changed(file, old, new)
    only(code, severity="warning")


def test_findings_of_all_files_come_at_once_and_sorted(changed):
    changed(FLOW, "    owner: money\n", "    owner: mony\n")
    (changed.folder / INTENTS).write_text("intents: {}\n")
    (changed.folder / PLANS).write_text("playbooks: [\n")
    found = check(changed.folder)
    assert {p.code for p in found} == {"unknown-owner", "spec", "yaml"}
    assert found == sorted(found, key=Problem.order)


def test_tools_that_cannot_be_imported_are_told_once(changed):
    changed("tools.py", "from concertmaster.tools import declare", "import there_is_no_such_module")
    assert [(p.code, p.file, p.line) for p in check(changed.folder)] == [("tool", *changed.at())]


def test_playbooks_that_cannot_be_read_are_told_once(changed):
    changed(PLANS, "playbooks:\n", "playbooks: []\nplaybook:\n")
    assert [(p.code, p.file, p.line) for p in check(changed.folder)] == [
        ("spec", changed.at()[0], 2)
    ]


def test_folder_that_is_no_workspace(tmp_path):
    [found] = check(tmp_path)
    assert (found.code, found.line) == ("file", 1)
    [found] = check(tmp_path / "away")
    assert "no such folder" in found.message


def test_loaded_workspace_and_its_folder_have_the_same_findings(changed):
    changed(FLOW, "    owner: money\n", "    owner: mony\n")
    assert check(Workspace.load(changed.folder)) == check(str(changed.folder))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_damage_makes_the_gate_raise(changed, data):
    folder = changed()
    file = folder / data.draw(st.sampled_from([FLOW, INTENTS, PLANS, CEDAR, PEOPLE]))
    lines = file.read_text().splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(
        st.one_of(
            st.just([]),
            st.just([lines[at]] * 2),
            st.text(max_size=12).map(lambda t: [lines[at] + t.encode(errors="replace").decode()]),
            st.integers(0, 60).map(lambda n: [lines[at][:n]]),
            st.integers(0, 60).map(lambda n: [lines[at][n:]]),
        )
    )
    file.write_text("\n".join([*lines[:at], *new, *lines[at + 1 :]]), encoding="utf-8")
    found = check(folder)
    assert found == sorted(found, key=Problem.order)
    assert all(p.line >= 1 and p.message for p in found)
