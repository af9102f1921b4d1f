"""The checkout itself: it speaks of nothing but the project, and its commands work."""

import json
import os
import re
import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:work|root|home|Users|mnt|opt)/[\w.]")
# Put together here, so that this file does not contain what it looks for.
INDEX_HOST = re.compile(
    "|".join([r"\bpy" + r"pi\b", "python" + "hosted", "arti" + "factory", "--find" + "-links"])
)


def texts(root: Path, tracked: list[Path]):
    for path in tracked:
        try:
            yield path, (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_files_name_no_machine_and_no_package_index(root: Path, tracked: list[Path]):
    found = [
        f"{path}: {match[0]}"
        for path, text in texts(root, tracked)
        for match in (*MACHINE_PATH.finditer(text), *INDEX_HOST.finditer(text))
    ]
    assert found == []


@pytest.mark.parametrize("text", ["see " + "/home" + "/ana/x", "'" + "/root" + "/.cache'"])
def test_machine_path_is_recognised(text: str):
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["https://example.org/home/ana", "~/home/x", "a/root/b"])
def test_other_path_is_left_alone(text: str):
    assert not MACHINE_PATH.search(text)


def test_readme_is_short(root: Path):
    readme = root / "README.md"
    if not readme.is_file():
        pytest.skip("there is no README.md yet")
    assert len(readme.read_text().splitlines()) < 150


def test_rooms_are_linked_into_the_package(root: Path, folders: dict[str, str]):
    for package, folder in folders.items():
        if "." in package:
            link = root / "src" / package.replace(".", "/")
            assert link.is_symlink(), f"ln -s ../../{folder} {link.relative_to(root)}"
            assert link.resolve() == root / folder


def test_every_room_is_measured(pyproject: dict, folders: dict[str, str]):
    rooms = set(folders.values()) - {"examples"}
    assert set(pyproject["tool"]["coverage"]["run"]["source"]) == rooms


def make(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )


def test_make_help_lists_what_a_newcomer_needs(root: Path):
    listed = [line.split()[1] for line in make(root, "help").stdout.splitlines()]
    assert {"demo", "test", "check", "format", "clean", "help", "docs"} <= set(listed)


def test_older_python_is_refused_with_a_way_out(root: Path, tmp_path: Path):
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.10.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = make(root, f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "demo")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.10.1" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_ci_runs_what_contributors_run(root: Path):
    script = root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    targets = set(re.search(r"for target in ([\w ]+);", script.read_text())[1].split())
    check = re.search(r"(?m)^check: ([\w ]+?) +##", (root / "Makefile").read_text())
    assert targets == set(check[1].split())


def test_deployment_entries_exist(root: Path):
    entries = json.loads((root / "langgraph.json").read_text())
    assert entries["dependencies"] == ["."]
    for entry in entries["graphs"].values():
        module, _, name = entry.partition(":")
        if find_spec(module) is None:
            pytest.skip(f"there is no {module} yet")
        assert callable(getattr(import_module(module), name))
