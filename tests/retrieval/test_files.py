"""Folders as strangers leave them: links, pipes, unreadable files, files that grow meanwhile."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import KnowledgeError
from concertmaster.retrieval import files
from concertmaster.retrieval.files import read_whole
from concertmaster.retrieval.loading import load
from concertmaster.retrieval.reading.reading import Unreadable

SPEC = KnowledgeSpec(file_mb=1, file_seconds=20)


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a file unreadable, also for root, who may read whatever its mode is."""

    def make(path: Path) -> None:
        path.chmod(0)
        if not os.access(path, os.R_OK):
            return
        real = os.open

        def refuse(target, flags, *more, **named):
            if Path(target) == path:
                raise PermissionError(13, "Permission denied", str(path))
            return real(target, flags, *more, **named)

        monkeypatch.setattr(files.os, "open", refuse)

    return make


def why(folder: Path) -> dict[str, str]:
    _, skipped = load([folder], SPEC)
    return {Path(s.source).name: s.why for s in skipped}


def test_one_unreadable_file_among_thousands_is_the_only_one_left_out(
    tmp_path: Path, forbid
) -> None:
    for number in range(3000):
        folder = tmp_path / f"part-{number % 30}"
        folder.mkdir(exist_ok=True)
        (folder / f"note-{number}.md").write_text(f"# Note {number}\n\nFee {number} euros.\n")
    forbid(tmp_path / "part-7/note-37.md")
    documents, skipped = load([tmp_path], SPEC)
    assert len({d.id for d in documents}) == 2999
    assert [(Path(s.source).name, s.why) for s in skipped] == [
        ("note-37.md", "cannot be read (Permission denied)")
    ]


def test_links_in_circles_and_to_nothing_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "self.md").symlink_to(tmp_path / "self.md")
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nothing.md")
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "out").symlink_to("/etc")
    documents, _ = load([tmp_path], SPEC)
    assert [d.id for d in documents] == ["a"]
    told = why(tmp_path)
    assert told.pop("gone.md") == "is a link to nothing"
    assert told.pop("out") == f"is a link that leads out of {tmp_path}"
    assert set(told) == {"self.md", "one", "two"}
    assert set(told.values()) == {"is a link that leads in a circle, or nowhere"}


def test_pipe_that_nobody_writes_to_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    os.mkfifo(tmp_path / "lines.jsonl")
    assert why(tmp_path) == {
        "pipe.md": "is no regular file",
        "lines.jsonl": "is no regular file",
    }


def test_too_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.pdf").open("wb") as file:
        file.truncate(500 * 2**20)
    with (tmp_path / "large.jsonl").open("wb") as file:
        file.truncate(2**30 + 1)
    assert why(tmp_path) == {
        "large.pdf": "is larger than 1 MiB",
        "large.jsonl": "is larger than 1024 MiB",
    }


def test_huge_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    with (tmp_path / "lines.jsonl").open("wb") as file:
        file.write(b'{"id": "a", "content": "Alpha."}\n')
        file.write(b'{"id": "b", "content": "' + b"x" * (17 * 2**20) + b'"}\n')
        file.write(b'{"id": "c", "content": "Gamma."}')
    documents, [skipped] = load([tmp_path], SPEC)
    assert [d.id for d in documents] == ["a", "c"]
    assert skipped.source.endswith("lines.jsonl:2")
    assert skipped.why == "is a line of more than 16 MiB"


def test_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.md"
    path.write_text("First half.")
    real, left = os.fstat, [2]

    def change(descriptor):
        left[0] -= 1
        if left[0] == 0:
            path.write_text("First half. Second half.")
        return real(descriptor)

    monkeypatch.setattr(files.os, "fstat", change)
    assert read_whole(path, 1000) == b"First half. Second half."


def test_file_that_changes_all_the_time_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.md"
    path.write_text("x")
    real = os.fstat

    def change(descriptor):
        with path.open("a") as file:
            file.write("x")
        return real(descriptor)

    monkeypatch.setattr(files.os, "fstat", change)
    with pytest.raises(Unreadable, match="changed while it was read"):
        read_whole(path, 1000)


def test_json_lines_that_grow_while_they_are_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "content": "Alpha."}\n')
    real, calls = os.fstat, []

    def change(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            with path.open("a") as file:
                file.write('{"id": "b", "con')
        return real(descriptor)

    monkeypatch.setattr(files.os, "fstat", change)
    documents, skipped = load([path], SPEC)
    assert [d.id for d in documents] == ["a"]
    assert [s.why for s in skipped] == ["changed while it was read; ingest it again"]


def test_folder_that_cannot_be_listed_is_named_unless_it_is_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open/a.md").write_text("Text.")
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def refuse(path):
        if isinstance(path, str | Path) and Path(path) == closed[0]:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    closed = [tmp_path / "closed"]
    monkeypatch.setattr(files.os, "scandir", refuse)
    documents, skipped = load([tmp_path], SPEC)
    assert [d.id for d in documents] == ["open/a"]
    assert [s.why for s in skipped] == ["cannot be listed (Permission denied)"]
    closed[0] = tmp_path
    with pytest.raises(KnowledgeError, match="cannot be listed"):
        load([tmp_path], SPEC)
