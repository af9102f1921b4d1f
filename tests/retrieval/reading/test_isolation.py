"""What hangs, swells, dies or prints in a parser stays there, and is named."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import ConfigError
from concertmaster.retrieval.loading import load
from concertmaster.retrieval.reading import Part, Reading, Unreadable, register_reader
from concertmaster.retrieval.reading.isolation import Isolation
from concertmaster.retrieval.reading.registry import _READERS

READERS = """
import os, sys, time
from concertmaster.retrieval.reading import Part, Reading, Unreadable

def upper(content):
    print("among the answers")
    os.write(1, b"and again")
    return Reading.of([Part(content.decode().upper(), "slide", 2)], title="T", notes=["a note"])

def sleeps(content):
    time.sleep(600)

def computes(content):
    while True:
        pass

def swells(content):
    held = []
    while True:
        held.append(bytearray(2**26))

def dies(content):
    os._exit(3)

def recurses(content):
    return recurses(content)

def breaks(content):
    raise KeyError("a secret of the document")

def refuses(content):
    raise Unreadable("is not for reading")

def lacks(content):
    import no_such_package.inside

def environment(content):
    return Reading.of([Part(" ".join(sorted(os.environ)))])

def number(content):
    return Reading.of([Part(str(os.getpid()))])
"""


@pytest.fixture
def readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module `hostile_readers` that other processes can import."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/hostile_readers.py").write_text(READERS)
    monkeypatch.syspath_prepend(tmp_path / "modules")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    for suffix, known in list(_READERS.items()):
        monkeypatch.setitem(_READERS, suffix, known)
    monkeypatch.delitem(_READERS, ".slides", raising=False)


@pytest.mark.usefixtures("readers")
def test_reading_comes_back_as_it_was_made_whatever_was_printed() -> None:
    with Isolation(20) as isolation:
        read = isolation.read("hostile_readers:upper", b"text")
    assert (read.text, read.title, read.notes) == ("TEXT", "T", ("a note",))
    assert [(m.at, m.kind, m.number) for m in read.marks] == [(0, "slide", 2)]


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize(
    ("reader", "told"),
    [
        ("sleeps", "took more than 1 seconds to read"),
        ("computes", "took more than 1 seconds to read"),
        ("swells", "takes more than 1024 MiB of memory to read"),
        ("dies", "ended the process that read it"),
        ("recurses", "is nested too deeply"),
        ("breaks", "is damaged (KeyError)"),
        ("refuses", "is not for reading"),
        ("lacks", "needs no_such_package: pip install 'concertmaster[documents]'"),
    ],
)
def test_failure_is_named_and_the_next_file_is_read(reader: str, told: str) -> None:
    with Isolation(1 if told.startswith("took") else 20) as isolation:
        with pytest.raises(Unreadable) as caught:
            isolation.read(f"hostile_readers:{reader}", b"x")
        assert caught.value.why.startswith(told)
        assert isolation.read("hostile_readers:upper", b"next").text == "NEXT"


@pytest.mark.usefixtures("readers")
def test_parser_sees_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    with Isolation(20) as isolation:
        names = isolation.read("hostile_readers:environment", b"").text
    assert "PYTHONPATH" in names
    assert "OPENAI" not in names


@pytest.mark.usefixtures("readers")
def test_same_content_is_parsed_once() -> None:
    with Isolation(20) as first, Isolation(20) as second:
        one = first.read("hostile_readers:number", b"same").text
        assert second.read("hostile_readers:number", b"same").text == one
        assert second.read("hostile_readers:number", b"other").text != one


PARENT = """
import sys
from concertmaster.retrieval.reading.isolation import Isolation
isolation = Isolation(600)
print(isolation._running().pid, flush=True)
isolation.read("hostile_readers:sleeps", b"x")
"""


@pytest.mark.usefixtures("readers")
def test_parser_does_not_outlive_a_killed_ingest(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "modules")},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(300):
        if not _runs(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the parser went on")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


# Registering a reader


@pytest.mark.usefixtures("readers", "registry")
@pytest.mark.parametrize("isolated", [True, False])
def test_registered_reader_reads_its_files(tmp_path: Path, isolated: bool) -> None:
    register_reader(".Slides", "hostile_readers:upper", isolated=isolated)
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb/a.slides").write_text("text")
    [document], skipped = load([tmp_path / "kb"], KnowledgeSpec())
    assert skipped == []
    assert (document.id, document.title, document.text) == ("a.slides", "T", "TEXT")
    assert document.notes == ("a note",)


@pytest.mark.usefixtures("registry")
def test_reader_that_breaks_takes_one_file_away(tmp_path: Path) -> None:
    def read(content: bytes) -> Reading:
        if b"bad" in content:
            raise ZeroDivisionError("bad secret")
        return Reading.of([Part(content.decode())])

    register_reader(".slides", read)
    (tmp_path / "a.slides").write_text("bad")
    (tmp_path / "b.slides").write_text("good")
    [document], [skipped] = load([tmp_path], KnowledgeSpec())
    assert document.text == "good"
    assert skipped.why == "is damaged (ZeroDivisionError)"


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("suffix", ["rtf", ".", "a/b", ".tar.gz", ".jsonl"])
def test_what_is_no_suffix_cannot_be_registered(suffix: str) -> None:
    with pytest.raises(ConfigError):
        register_reader(suffix, lambda content: Reading(text=""))


@pytest.mark.usefixtures("registry")
def test_isolated_reader_has_to_be_importable() -> None:
    with pytest.raises(ConfigError, match="cannot be imported by another process"):
        register_reader(".slides", lambda content: Reading(text=""), isolated=True)
