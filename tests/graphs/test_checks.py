"""The rules of the readiness gate one by one: what they find, and what they let pass."""

from pathlib import Path

import pytest

from concertmaster.contracts.spec import WorkspaceSpec
from concertmaster.graphs.readiness import check
from concertmaster.graphs.workspace import Workspace
from concertmaster.tools import declare
from concertmaster.tools.toolbox import Toolbox

FLOW = "workflow.yaml"
CEDAR = "policies/desk.cedar"

RESPOND = '  - {when: "draft == null", to: respond}\n'
EXECUTE_FALLS = "    retry: {attempts: 3}\n    fallback: "
REVIEWED = '@obligation("review:finance")\n'


def line_of(changed, text: str) -> int:
    return (changed.folder / FLOW).read_text().splitlines().index(text) + 1


@pytest.mark.parametrize("name", ["act", "finish", "supervisor"])
def test_step_cannot_take_the_name_of_a_node(changed, only, name):
    changed(FLOW, "  - id: respond\n", f"  - id: {name}  #!\n")
    changed.again("to: respond}", f"to: {name}}}")
    only("reserved-id")


def test_step_without_a_way_to_it(changed, only):
    changed(FLOW, RESPOND, "")
    changed.again("  - id: respond\n", "  - id: respond  #!\n")
    only("unreachable-step")


@pytest.mark.parametrize(
    "way",
    [
        '  - {when: "acted", ask: [respond, search], otherwise: finish}\n',
        '  - {when: "acted", ask: [search], otherwise: respond}\n',
    ],
)
def test_step_is_reached_by_a_question_to_a_model(changed, way):
    assert check(changed(FLOW, RESPOND, way)) == []


def test_step_is_reached_as_a_fallback_of_one_that_is_reached(changed):
    changed(FLOW, RESPOND, "")
    assert check(changed.again(EXECUTE_FALLS + "escalate", EXECUTE_FALLS + "respond")) == []


def test_step_that_only_falls_back_to_itself_is_not_reached(changed):
    changed(FLOW, RESPOND, "")
    changed.again("    fallback: refuse", "    fallback: respond")
    codes = sorted(p.code for p in check(changed.folder))
    assert codes == ["fallback-loop", "unreachable-step"]


def test_circle_of_fallbacks_is_told_once_with_its_way(changed, only):
    changed(FLOW, EXECUTE_FALLS + "escalate", EXECUTE_FALLS + "respond  #!")
    changed.again("    fallback: refuse", "    fallback: execute")
    assert only("fallback-loop").message.endswith("execute → respond → execute")


def test_effect_that_no_policy_has_reviewed(changed):
    changed(CEDAR, REVIEWED, "")
    [found] = check(changed.folder)
    assert (found.code, found.severity) == ("no-review", "error")
    assert (Path(found.file).name, found.line) == (FLOW, line_of(changed, "      - refund"))
    assert "waiver" in (found.hint or "")


def test_effect_in_a_step_that_has_nothing_reviewed(changed):
    changed(FLOW, "    review: policy\n", "    review: none\n")
    [found] = check(changed.folder)
    assert (found.code, found.line) == ("no-review", line_of(changed, "      - refund"))


@pytest.mark.parametrize(
    "review",
    ["{mode: none, waiver: nobody needs to look}", "{mode: always, roles: [finance]}"],
)
def test_waived_or_always_reviewed_effects_are_in_order(changed, review):
    assert check(changed(FLOW, "review: policy\n", f"review: {review}\n")) == []


def test_effect_that_the_tool_itself_waives_is_in_order(changed):
    waived = '@declare(effect="write", waiver="harmless")'
    changed("tools.py", '@declare(effect="write")', waived)
    changed.file = changed.folder / CEDAR
    assert check(changed.again(REVIEWED, "")) == []


def test_nothing_is_concluded_from_unsound_policies(changed):
    changed(CEDAR, REVIEWED, '@obligation("nobody knows")\n')
    assert [p.code for p in check(changed.folder)] == ["policy"]


def test_forbidding_policy_permits_nothing(changed):
    changed(
        CEDAR,
        'permit (principal, action == Action::"get',
        'forbid (principal, action == Action::"get',
    )
    [found] = check(changed.folder)
    assert (found.code, found.severity) == ("unpermitted-tool", "warning")
    assert "get_order" in found.message


def test_fallback_of_a_tool_must_be_on_the_same_list(changed):
    reads = '@declare(effect="read")\ndef get_order'
    changed("tools.py", reads, '@declare(effect="read", fallback="spare")\ndef get_order')
    [found] = check(changed.folder)
    assert (found.code, found.line) == ("tool-fallback", line_of(changed, "      - get_order"))


def test_playbook_of_a_step_is_held_against_its_own_list(changed):
    changed(FLOW, "      - refund\n", "")
    changed.again("    review: policy\n", "    review: policy\n    playbook: refund\n")
    [found] = check(changed.folder)
    assert (found.code, Path(found.file).name) == ("playbook-tool", "playbooks.yaml")
    assert "refund" in found.message


SECOND = """\
  - id: second
    agent: executor
    owner: money
    input: [request]
    model: none
    tools: [get_order]
    permission: policies/desk.cedar
    review: policy
    success_metric: {name: done_once, target: 1.0}
    timeout: 20s
    retry: {attempts: 3}
    fallback: execute
routes:
  - {when: "planned && !acted", to: second}
"""


def test_one_executor_that_may_run_an_intents_playbook_is_enough(changed):
    assert check(changed(FLOW, "routes:\n", SECOND)) == []


def test_evidence_needs_knowledge_and_a_retriever(changed):
    changed(FLOW, "knowledge:\n  paths: [knowledge]\n  default_owner: ops\n", "")
    changed.again("    agent: retriever", "    agent: responder")
    [found] = check(changed.folder)
    assert (found.code, Path(found.file).name) == ("no-evidence", "intents.yaml")
    assert "'retriever'" in found.message
    assert "`knowledge`" in found.message


def test_acting_needs_an_executor(changed):
    changed(FLOW, "    agent: executor", "    agent: responder")
    codes = {(p.severity, p.code) for p in check(changed.folder)}
    assert codes == {("error", "no-executor"), ("warning", "idle-tools")}


def test_folder_without_documents(changed, only):
    changed(FLOW, "paths: [knowledge]", "paths: [papers]  #!")
    (changed.folder / "papers").mkdir()
    only("knowledge-empty")


def test_owner_of_a_document_must_be_known(changed):
    changed("knowledge/more.md", "", "---\nowner: oops\n---\nVery private.\n")
    [found] = check(changed.folder)
    assert (found.code, found.file, found.line) == ("unknown-owner", str(changed.file), 1)
    assert "private" not in str(found)


def in_python(**changes) -> WorkspaceSpec:
    step = {
        "id": "answer",
        "agent": "responder",
        "owner": "ops",
        "input": ("request",),
        "model": "none",
        "tools": (),
        "permission": "none",
        "review": "none",
        "success_metric": {"name": "accepted", "target": 0.9},
        "timeout": 5,
        "retry": {},
        "fallback": "escalate",
        **changes,
    }
    workflow = {
        "workflow": "desk",
        "owner": "ops",
        "success_metric": {"name": "answered", "target": 0.5},
        "owners": {"ops": {"role": "manager", "contact": "ops@shop.example"}},
        "steps": (step,),
        "routes": ({"when": "draft == null", "to": "answer"}, {"to": "finish"}),
    }
    return WorkspaceSpec.model_validate({"workflow": workflow})


def test_workspace_built_in_python_is_checked_as_well():
    assert check(Workspace(spec=in_python())) == []
    [found] = check(Workspace(spec=in_python(owner=None)))
    assert (found.code, found.file, found.line) == ("missing-owner", "<python>", 1)


def test_agent_in_python_must_be_given():
    [found] = check(Workspace(spec=in_python(agent="steps:score")))
    assert (found.code, found.hint) == ("agent", "give its function in `customs`")
    [found] = check(Workspace(spec=in_python(agent="responer")))
    assert (found.code, found.hint) == ("agent", "did you mean 'responder'?")


def test_custom_step_takes_state_and_runtime():
    def score(state, runtime):
        return {}

    spec = in_python(agent="steps:score")
    assert check(Workspace(spec=spec, customs={"steps:score": score})) == []
    [found] = check(Workspace(spec=spec, customs={"steps:score": lambda state: {}}))
    assert found.code == "agent"
    assert "two arguments" in found.message


def test_tools_in_python_without_policies_are_never_permitted():
    @declare(effect="read")
    def look(number: int) -> int:
        return number

    spec = in_python(agent="executor", tools=("look",), permission="policies/a.cedar")
    found = check(Workspace(spec=spec, toolbox=Toolbox.of(look)))
    assert sorted(p.code for p in found) == ["unknown-permission", "unpermitted-tool"]
