# ruff: noqa: E501 (one line a case)
import pytest

from concertmaster.errors import WorkspaceError
from concertmaster.graphs.workspace import Workspace, read_workspace

FLOW = "workflow.yaml"


def test_workspace_of_files_is_read(changed):
    workspace, problems = read_workspace(changed())
    assert problems == []
    assert workspace.name == "desk"
    assert workspace.toolbox.names == ("get_order", "refund", "spare")
    assert workspace.policies == changed.folder / "policies"
    assert workspace.knowledge == (changed.folder / "knowledge",)
    assert set(workspace.sources) == {"workflow", "intents", "playbooks", "principals"}


def test_only_the_workflow_must_exist(tmp_path, changed):
    text = (changed() / FLOW).read_text()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / FLOW).write_text(text)
    workspace, problems = read_workspace(tmp_path / "bare")
    assert problems == []
    assert workspace.policies is None
    assert workspace.spec.intents.intents == ()


WRONG = [
    ("owner: ops\nsuccess", "ownr: ops\nsuccess", "has no key 'ownr'", "did you mean 'owner'?"),
    ("    timeout: 10s\n    retry: {attempts: 2}\n    fallback: escalate\n  - id: execute",
     "    timout: 10s\n    retry: {attempts: 2}\n    fallback: escalate\n  - id: execute",
     "steps.1 has no key 'timout'", "did you mean 'timeout'?"),
    ("{role: manager, contact: ops@shop.example}", "{role: manager, contct: ops@shop.example, contact: x}",
     "owners.ops has no key 'contct'", "did you mean 'contact'?"),
    ("tier: capable", "tier: capble", "steps.2.model.tier is 'capble'; allowed: 'small', 'capable' or 'best'", "did you mean 'capable'?"),
    ("{need: plan, tier: capable}", "plan", "steps.2.model is 'plan'; allowed: 'none'", None),
    ("{need: plan, tier: capable}", "[plan]", "steps.2.model is \"['plan']\"; allowed: 'none'", None),
    ("{need: plan, tier: capable}", "{need: plan, teir: capable}", "steps.2.model has no key 'teir'", "did you mean 'tier'?"),
    ("{need: plan, tier: capable}", "{}", "steps.2.model.need is missing", None),
    ("    review: policy", "    review: sometimes", "steps.2.review is 'sometimes'; allowed: 'none', 'policy' or 'always'", None),
    ("timeout: 20s\n    retry: {attempts: 3}", "timeout: soon\n    retry: {attempts: 3}", "steps.2.timeout: 'soon' is no duration; write 500ms, 20s, 2m or 1h", None),
    ("retry: {attempts: 3}", "retry: {attempts: 30}", "steps.2.retry.attempts: Input should be less than or equal to 10", None),
    ("  - id: execute\n", "  - id: ex ecute\n", "steps.2.id: a name consists of ASCII letters, digits, '_' and '-'", None),
    ("  - {to: finish}", "  - {owner: ops}", "routes.5: a route has exactly one of 'to' and 'ask'", None),
    ("  - {to: finish}", "  - {ask: [respond]}", "routes.5: a route with 'ask' needs 'otherwise'", None),
    ("name: done_once, target: 1.0", "name: done_once, target: 100", "steps.2.success_metric.target: Input should be less than or equal to 1", None),
    ("    agent: executor\n", "", "steps.2.agent is missing", None),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "hint"), WRONG)
def test_one_mistake_is_one_finding_at_its_line(changed, old, new, message, hint):
    workspace, problems = read_workspace(changed(FLOW, old, new))
    assert workspace is None
    assert [(p.code, p.message.removeprefix("the file "), p.hint) for p in problems] == [
        ("spec", message, hint)
    ]
    nearest = 35 if "agent is missing" in message else changed.at()[1]
    assert (problems[0].file, problems[0].line) == (changed.at()[0], nearest)


def test_every_mistake_of_every_file_is_told_at_once(changed):
    changed(FLOW, "timeout: 20s\n    retry: {attempts: 3}", "timeout: soon\n    retry: {x: 3}")
    (changed.folder / "intents.yaml").write_text("intents:\n  - {name: a, owner: ops}\n")
    (changed.folder / "principals.yaml").write_text("- ana\n")
    (changed.folder / "tools.py").write_text("def broken(:\n")
    workspace, problems = read_workspace(changed.folder)
    assert workspace is None
    assert sorted((p.code, p.file.rsplit("/", 1)[1], p.line) for p in problems) == [
        ("spec", "intents.yaml", 2),
        ("spec", "workflow.yaml", 46),
        ("spec", "workflow.yaml", 47),
        ("tool", "tools.py", 1),
        ("type", "principals.yaml", 1),
    ]


def test_a_broken_file_does_not_hide_the_others(changed):
    workspace, problems = read_workspace(changed("playbooks.yaml", "", "playbooks: [\n"))
    assert [p.code for p in problems] == ["yaml"]
    assert workspace.spec.playbooks.playbooks == ()
    assert len(workspace.spec.intents.intents) == 2


def test_unknown_agent_is_told_with_a_suggestion(changed):
    workspace, problems = read_workspace(changed(FLOW, "agent: executor", "agent: excutor"))
    assert workspace is not None
    assert [(p.code, p.hint, (p.file, p.line)) for p in problems] == [
        ("agent", "did you mean 'executor'?", changed.at())
    ]


def test_custom_step_is_loaded_from_the_folder(changed):
    changed(FLOW, "agent: executor", "agent: steps:score")
    (changed.folder / "steps.py").write_text("async def score(state, runtime):\n    return {}\n")
    workspace, problems = read_workspace(changed.folder)
    assert problems == []
    assert workspace.customs["steps:score"].__name__ == "score"


def test_custom_step_that_is_not_there_is_told(changed):
    changed(FLOW, "agent: executor", "agent: steps:score")
    for content in (None, "", "raise ValueError\n"):
        if content is not None:
            (changed.folder / "steps.py").write_text(content)
        _, problems = read_workspace(changed.folder)
        assert [(p.code, (p.file, p.line)) for p in problems] == [("agent", changed.at())]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("playbook.yaml", "did you mean 'playbooks.yaml'?"),
        ("intents.yml", "did you mean 'intents.yaml'?"),
    ],
)
def test_file_that_nobody_would_read_is_pointed_out(changed, name, hint):
    _, problems = read_workspace(changed(name, "", "x: 1\n"))
    assert [(p.severity, p.code, p.hint) for p in problems] == [("warning", "file", hint)]


def test_other_yaml_files_are_nobodys_business(changed):
    assert read_workspace(changed("conversations.yaml", "", "x: 1\n"))[1] == []


def test_loading_raises_with_every_finding(changed):
    changed(FLOW, "timeout: 20s\n    retry: {attempts: 3}", "timeout: soon\n    retry: {x: 3}")
    with pytest.raises(WorkspaceError, match="no duration") as caught:
        Workspace.load(changed.folder)
    assert [p.line for p in caught.value.problems] == [46, 47]
    assert "workflow.yaml:47" in caught.value.message


def test_loading_goes_on_in_spite_of_warnings(changed):
    assert Workspace.load(changed("intents.yml", "", "x: 1\n")).name == "desk"


def test_wrong_extension_of_the_workflow_is_pointed_out(tmp_path):
    (tmp_path / "workflow.yml").write_text("workflow: desk\n")
    _, [problem] = read_workspace(tmp_path)
    assert problem.hint == "rename workflow.yml to workflow.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (FLOW, "timeout: 20s\n    retry: {attempts: 3}", "timeout: 21s\n    retry: {attempts: 3}"),
        ("tools.py", "return {}\n\n@declare(effect=\"write\")", "return {'a': 1}\n\n@declare(effect=\"write\")"),
        ("policies/desk.cedar", "resource);\n\n@id", "resource) when { principal.authenticated };\n\n@id"),
    ],
)  # fmt: skip
def test_digest_changes_with_what_it_stands_for(changed, file, old, new):
    before = Workspace.load(changed()).digest
    assert Workspace.load(changed()).digest == before
    assert Workspace.load(changed(file, old, new)).digest != before


def test_digest_is_indifferent_to_layout_and_documents(changed):
    before = Workspace.load(changed()).digest
    assert Workspace.load(changed(FLOW, "owner: ops\nsuccess", "# note\nowner: 'ops'\nsuccess")).digest == before  # fmt: skip
    (changed.folder / "knowledge" / "more.md").write_text("More.")
    assert Workspace.load(changed.folder).digest == before
