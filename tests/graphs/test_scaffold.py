import pytest

from concertmaster.errors import ConfigError
from concertmaster.graphs.readiness import check
from concertmaster.graphs.scaffold import init, templates
from concertmaster.graphs.workspace import Workspace


def test_templates_are_the_samples_that_come_along(root):
    samples = {f.parent.name for f in (root / "examples").glob("*/workflow.yaml")}
    assert templates() == sorted(samples)
    assert "loan_application" in samples


@pytest.mark.parametrize("template", templates())
def test_new_workspace_is_ready_and_has_the_folders_name(tmp_path, template):
    written = init(template, tmp_path / "above" / "my_desk")
    assert [str(p) for p in check(tmp_path / "above" / "my_desk") if p.severity == "error"] == []
    assert Workspace.load(tmp_path / "above" / "my_desk").name == "my_desk"
    assert written
    assert all(file.is_file() for file in written)
    assert not [f for f in written if "__pycache__" in f.parts or f.suffix == ".pyc"]


def test_copy_has_every_file_of_the_sample(root, tmp_path):
    sample = root / "examples" / "knowledge_assistant"
    written = init("knowledge_assistant", tmp_path / "copy")
    mine = {f.relative_to(tmp_path / "copy") for f in written}
    theirs = {f.relative_to(sample) for f in sample.rglob("*") if f.is_file()}
    assert mine == {f for f in theirs if "__pycache__" not in f.parts}
    for file in mine - {mine_ for mine_ in mine if mine_.name == "workflow.yaml"}:
        assert (tmp_path / "copy" / file).read_bytes() == (sample / file).read_bytes()


@pytest.mark.parametrize(
    ("folder", "name"),
    [("My desk 2", "My_desk_2"), ("Büro", "B_ro"), ("…", "bank_desk"), ("a\\1", "a_1")],
)
def test_name_of_the_folder_becomes_a_name_of_a_workflow(tmp_path, folder, name):
    init("bank_desk", tmp_path / folder)
    assert Workspace.load(tmp_path / folder).name == name


def test_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    assert init("bank_desk", tmp_path / "empty")


def test_used_folder_is_left_as_it_is(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        init("bank_desk", tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["notes.txt"]


def test_file_in_the_way_is_told(tmp_path):
    (tmp_path / "desk").write_text("mine")
    with pytest.raises(ConfigError, match="is no folder"):
        init("bank_desk", tmp_path / "desk")
    with pytest.raises(ConfigError, match="no workspace can be made"):
        init("bank_desk", tmp_path / "desk" / "below")
    assert (tmp_path / "desk").read_text() == "mine"


def test_unknown_sample_is_refused_with_a_suggestion(tmp_path):
    with pytest.raises(ConfigError) as caught:
        init("loan_aplication", tmp_path / "desk")
    assert caught.value.hint == "did you mean 'loan_application'?"
    assert not (tmp_path / "desk").exists()


@pytest.mark.parametrize("template", ["", "..", "bank_desk/..", "/", "__pycache__"])
def test_what_is_no_sample_is_not_copied(tmp_path, template):
    with pytest.raises(ConfigError, match="no sample workspace"):
        init(template, tmp_path / "desk")
