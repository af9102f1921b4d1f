import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.errors import StorageError, ToolError
from concertmaster.tools.artifacts import SMALL, Artifacts, preview


def large(rows: int = 20_000) -> dict[str, Any]:
    return {"rows": [{"id": i, "text": "ü" * 10} for i in range(rows)], "count": rows}


def test_small_result_stays_as_it_is(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "artifacts")
    assert artifacts.store({"a": "x" * (SMALL - 10)})[0] is None
    assert not (tmp_path / "artifacts").exists()


def test_large_result_is_stored_and_shown_in_its_shape(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    reference, shown = artifacts.store(large())
    assert reference is not None
    assert shown["count"] == 20_000
    assert shown["rows"][0] == {"id": 0, "text": "ü" * 10}
    assert len(json.dumps(shown, ensure_ascii=False).encode()) <= 4096
    assert artifacts.load(reference) == large()


def test_same_value_is_stored_once(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    assert artifacts.store(large())[0] == artifacts.store(large())[0]
    assert len([f for f in tmp_path.rglob("*") if f.is_file()]) == 1


def test_value_beyond_the_hard_limit_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="more than the 64 MB"):
        Artifacts(tmp_path).store("x" * (65 * 2**20))
    assert not list(tmp_path.iterdir())


def test_value_of_50_mb_is_kept(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    reference, shown = artifacts.store("x" * (50 * 2**20))
    assert reference is not None
    assert shown.endswith("more characters")
    assert len(artifacts.load(reference)) == 50 * 2**20


def test_changed_file_is_found_out(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    reference, _ = artifacts.store(large())
    assert reference is not None
    file = next(f for f in tmp_path.rglob("*.json"))
    file.write_bytes(file.read_bytes().replace(b"19999", b"00000"))
    with pytest.raises(StorageError, match="was changed"):
        artifacts.load(reference)


@pytest.mark.parametrize(
    "reference", ["artifact:../../etc/passwd", "artifact:", "a" * 64, "artifact:" + "0" * 64]
)
def test_what_is_no_reference_loads_nothing(tmp_path: Path, reference: str) -> None:
    with pytest.raises(StorageError):
        Artifacts(tmp_path).load(reference)


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be stored"):
        Artifacts(tmp_path / "file" / "artifacts").store(large())


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=2000),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=500), inner),
        max_leaves=60,
    )
)
def test_preview_is_always_small_plain_json(value: Any) -> None:
    assert len(json.dumps(preview(value), ensure_ascii=False).encode()) <= 4096
