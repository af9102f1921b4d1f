import json
import os
from pathlib import Path

import pytest
import yaml

from concertmaster.contracts.spec import IntentsFile, IntentSpec
from concertmaster.testing import temporary_home, temporary_workspace


def test_files_are_written_from_texts_mappings_and_models() -> None:
    intents = IntentsFile(
        intents=(IntentSpec(name="refund", owner="shop", utterances=("a", "b", "c")),)
    )
    content = {
        "workflow.yaml": {"workflow": "desk", "steps": []},
        "intents.yaml": intents,
        "policies/tests.json": [1],
        "tools.py": "x = 'ä'",
        "knowledge/broken.md": b"\xff",
    }
    with temporary_workspace(content=content, name="desk") as folder:
        assert folder.name == "desk"
        assert yaml.safe_load((folder / "workflow.yaml").read_text())["workflow"] == "desk"
        read = yaml.safe_load((folder / "intents.yaml").read_text())
        assert IntentsFile.model_validate(read) == intents
        assert json.loads((folder / "policies" / "tests.json").read_text()) == [1]
        assert (folder / "tools.py").read_text(encoding="utf-8") == "x = 'ä'"
        assert (folder / "knowledge" / "broken.md").read_bytes() == b"\xff"
    assert not folder.exists()


def test_folder_is_copied_and_the_original_stays(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    with temporary_workspace(tmp_path, {"a.txt": "changed", "b.txt": None}) as folder:
        assert [p.name for p in folder.iterdir()] == ["a.txt"]
        assert (folder / "a.txt").read_text() == "changed"
    assert (tmp_path / "a.txt").read_text() == "a"
    assert (tmp_path / "b.txt").exists()


def test_bundled_workspace_is_copied_by_name() -> None:
    with temporary_workspace("loan_application") as folder:
        assert (folder / "workflow.yaml").is_file()


@pytest.mark.parametrize("name", ["no_such_desk", "../examples", "support_desk/knowledge"])
def test_unknown_source_is_told(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="neither a folder nor"), temporary_workspace(name):
        pass


@pytest.mark.parametrize("path", ["../outside", "/etc/outside"])
def test_nothing_is_written_outside(path: str) -> None:
    with pytest.raises(ValueError, match="leads out"), temporary_workspace(content={path: "x"}):
        pass


def test_home_is_empty_writable_and_goes_away() -> None:
    with temporary_home() as home:
        assert list(home.iterdir()) == []
        assert os.access(home, os.W_OK)
        (home / "x").write_text("x")
    assert not home.exists()
