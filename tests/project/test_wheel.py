"""The built wheel is the whole product: one package, every source, every data file, readable."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

# One worker builds it once for all of these tests.
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(root: Path, tracked: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built without network from a copy of the checkout, links included."""
    copy = tmp_path_factory.mktemp("checkout")
    for path in tracked:
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, copy / path)
    for link in (root / "src" / "concertmaster").iterdir():
        if link.is_symlink():
            (copy / link.relative_to(root)).symlink_to(link.readlink())
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def content(wheel: Path) -> set[str]:
    """The names of the files in the wheel, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is installed, far from the checkout."""
    target = tmp_path_factory.mktemp("site")
    options = "--quiet --no-deps --no-index --disable-pip-version-check --target".split()
    command = [sys.executable, "-m", "pip", "install", *options, str(target), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def run(code: str, installed: Path) -> str:
    """Run code against the installed wheel and return what it prints."""
    program = f"import sys; sys.path.insert(0, {str(installed)!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=installed.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_one_top_level_package(content: set[str]):
    assert {name.split("/")[0] for name in content} == {"concertmaster"}


def test_every_source_file_is_inside(content: set[str], modules: dict[str, Path], root: Path):
    def place(name: str, path: Path) -> str:
        inner = name.replace(".", "/")
        return f"{inner}/__init__.py" if path.name == "__init__.py" else f"{inner}.py"

    missing = {place(name, path) for name, path in modules.items()} - content
    assert not missing, f"name their packages in pyproject.toml, `packages`: {sorted(missing)}"


def test_every_data_file_is_inside(content: set[str], tracked: list[Path], folders: dict[str, str]):
    missing = []
    for path in tracked:
        for package, folder in folders.items():
            if not path.is_relative_to(folder):
                continue
            inside = f"{package.replace('.', '/')}/{path.relative_to(folder).as_posix()}"
            if inside not in content:
                missing.append(inside)
    assert missing == [], "name them in pyproject.toml, `package-data`"


def test_nothing_else_is_inside(content: set[str], tracked: list[Path], folders: dict[str, str]):
    expected = {
        f"{package.replace('.', '/')}/{path.relative_to(folder).as_posix()}"
        for path in tracked
        for package, folder in folders.items()
        if path.is_relative_to(folder)
    }
    assert content - expected == set()


def test_installed_package_reads_its_own_files(installed: Path):
    where = run("import concertmaster; print(concertmaster.__file__)", installed)
    assert Path(where).is_relative_to(installed)


def test_vocabulary_is_readable_where_installed(installed: Path):
    code = (
        "from importlib.resources import files\n"
        "text = files('concertmaster.retrieval').joinpath('data/minilm-vocab.txt').read_text()\n"
        "print(len(text.splitlines()), text.splitlines()[0])"
    )
    assert run(code, installed) == "30522 [PAD]"


def test_sample_workspaces_are_readable_where_installed(installed: Path, tracked: list[Path]):
    specs = sorted(p.as_posix() for p in tracked if p.match("examples/*/workflow.yaml"))
    code = (
        "from importlib.resources import files\n"
        "for folder in sorted(files('concertmaster.examples').iterdir(), key=lambda f: f.name):\n"
        "    spec = folder.joinpath('workflow.yaml') if folder.is_dir() else None\n"
        "    if spec is not None and spec.is_file() and spec.read_text():\n"
        "        print(f'examples/{folder.name}/workflow.yaml')"
    )
    assert run(code, installed).splitlines() == specs


def test_type_marker_and_licences_are_inside(wheel: Path, content: set[str]):
    assert "concertmaster/py.typed" in content
    with zipfile.ZipFile(wheel) as archive:
        licences = [n for n in archive.namelist() if ".dist-info/licenses/" in n]
    assert any(n.endswith("/LICENSE") for n in licences)
    assert any(n.endswith("/LICENSE.minilm") for n in licences)


def test_mapping_names_every_package(pyproject: dict[str, Any], modules: dict[str, Path]):
    found = {name for name, path in modules.items() if path.name == "__init__.py"}
    assert sorted(pyproject["tool"]["setuptools"]["packages"]) == sorted(found)
