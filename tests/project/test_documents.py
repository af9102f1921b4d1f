"""What the README and the documentation show is run: programs, commands and their output.

In a document the blocks run from top to bottom, in one folder with a copy of the examples and in
one home: ```python in one namespace (with top-level await, as in a notebook), ```console line by
line. A ```text block right below a program is its output. Output is compared loosely: of each line
shown the first words must come up, in order; `...` stands for anything. An id shown as output
(`run-5f0c…`) stands for the real one, in later commands, too. `# exit 2` behind a command tells
the exit code to expect. `export NAME=$(command)` sets a variable for what follows. A server that is
started with `&` gets a free port, which stands for the one shown, and is stopped at the end.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.is_file() and path.name != "reference.md"
]
FENCE = re.compile(r"(?m)^( *)```(\w*)[^\n]*\n(.*?)^\1```[ ]*$", re.DOTALL)
ID = re.compile(r"\b[a-z]+-[0-9a-f]{8,}\b")
EXPORT = re.compile(r"export (\w+)=\$\((.+)\)")
PORT = re.compile(r"127\.0\.0\.1:(\d+)")
FIRST_WORDS = 3


@dataclass(frozen=True)
class Block:
    """A fenced block: what language, which lines, and whether text alone stands before it."""

    language: str
    text: str
    line: int
    after: str | None


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        adjoining = found and not text[end : match.start()].strip()
        before = found[-1].language if adjoining else None
        line = text.count("\n", 0, match.start(3)) + 1
        found.append(Block(match[2], textwrap.dedent(match[3]), line, before))
        end = match.end()
    return found


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each `$ command` of a console block, and what is shown below it."""
    joined = text.replace("\\\n", " ")
    for part in re.split(r"(?m)^\$ ", joined)[1:]:
        command, _, shown = part.partition("\n")
        yield command.strip(), shown


def words(line: str) -> list[str]:
    # How long something took is as little to be compared as the number before it.
    return re.findall(r"[^\W\d_]+", re.sub(r"\b[Aa]fter \d+ \w+, ", "", line))


def unmet(shown: str, real: str) -> list[str]:
    """Return the lines shown whose first words do not come up in the real output, in order."""
    have = [words(line) for line in real.splitlines()]
    missing, start = [], 0
    for line in shown.splitlines():
        want = [] if line.strip() in {"...", "…"} else words(ID.sub("", line))[:FIRST_WORDS]
        if not want:
            continue
        for place in range(start, len(have)):
            rest = iter(have[place])
            if all(word in rest for word in want):
                start = place + 1
                break
        else:
            missing.append(line)
    return missing


@dataclass
class Reader:
    """Someone who follows a document from top to bottom."""

    name: str
    namespace: dict[str, object] = field(default_factory=lambda: {"__name__": "__main__"})
    ids: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    ports: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    def follow(self, text: str) -> None:
        with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
            stack.callback(self.stop)
            stack.enter_context(pytest.MonkeyPatch.context()).setattr(
                os, "environ", os.environ.copy()
            )
            for block in blocks(text):
                if block.language == "python":
                    self.printed = self.program(block, runner)
                elif block.language == "console":
                    for command, shown in commands(block.text):
                        self.command(command, shown, block.line)
                elif block.language == "text" and block.after == "python":
                    self.compare(block.text, self.printed, block.line)

    def program(self, block: Block, runner: asyncio.Runner) -> str:
        # Empty lines in front keep the document's line numbers in a traceback.
        source = "\n" * (block.line - 1) + self.real(block.text)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, self.name, "exec", flags=flags, dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            result = eval(code, self.namespace)
            if inspect.iscoroutine(result):
                runner.run(result)
        return out.getvalue()

    def command(self, command: str, shown: str, line: int) -> None:
        command, _, comment = command.partition("  # ")
        if exported := EXPORT.fullmatch(command):
            inner = [sys.executable, "-m", *shlex.split(exported[2])]
            done = subprocess.run(
                inner, capture_output=True, text=True, timeout=240, check=True, env=os.environ
            )
            os.environ[exported[1]] = done.stdout.strip()
            return
        arguments = shlex.split(self.real(command))
        if arguments[0] != "concertmaster":
            return
        if arguments[-1] == "&":
            self.serve(arguments[:-1], shown, line)
            return
        expected = int(m[1]) if (m := re.search(r"exit (\d+)", comment)) else 0
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env=os.environ,
        )
        where = f"{self.name}:{line}: $ {command}"
        assert done.returncode == expected, f"{where}\n{done.stdout}\n{done.stderr}"
        self.compare(shown, done.stdout + done.stderr, line)

    def real(self, text: str) -> str:
        """Return what is written with the ids and addresses that this reader got."""
        text = ID.sub(lambda m: self.ids.get(m[0], m[0]), text)
        return PORT.sub(lambda m: f"127.0.0.1:{self.ports.get(m[1], m[1])}", text)

    def serve(self, arguments: list[str], shown: str, line: int) -> None:
        server = subprocess.Popen(
            [sys.executable, "-m", *arguments, "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        self.servers.append(server)
        lines = len([text for text in shown.splitlines() if text.strip()])
        told = "".join(server.stdout.readline() for _ in range(lines))
        self.compare(shown, told, line)
        ports = (PORT.findall(text) for text in (shown, told))
        self.ports |= dict(zip(*ports, strict=False))

    def stop(self) -> None:
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(60)
            server.stdout.close()

    def compare(self, shown: str, real: str, line: int) -> None:
        assert not unmet(shown, real), f"{self.name}:{line}: not in the output:\n{real}"
        # Ids are matched kind by kind, in the order in which they first appear.
        documented, found = dict.fromkeys(ID.findall(shown)), dict.fromkeys(ID.findall(real))
        for kind in {i.partition("-")[0] for i in documented}:
            pair = ([i for i in ids if i.startswith(f"{kind}-")] for ids in (documented, found))
            self.ids |= dict(zip(*pair, strict=False))


@pytest.fixture
def desk(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with a copy of the examples, where the reader sits."""
    shutil.copytree(
        root / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_does_what_it_shows(name: str, desk: Path, root: Path):
    Reader(name).follow((root / name).read_text())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str, root: Path):
    text = FENCE.sub("", (root / name).read_text())
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [t for t in targets if t and not re.match(r"[a-z]+:", t)]
    folder = (root / name).parent
    outside = [t for t in local if not (folder / t).resolve().is_relative_to(root)]
    assert [t for t in local if not (folder / t).exists()] + outside == []


def test_program_and_its_output_are_followed(desk: Path):
    text = "# T\n\n```python\nimport asyncio\nn = 2\nawait asyncio.sleep(0)\n```\n\nSo:\n"
    text += "\n```python\nprint('the sum is', n + 40)\n```\n\n```text\nthe sum is 99\n```\n"
    Reader("made up").follow(text)


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ("```python\nraise LookupError\n```", LookupError),
        ("```python\nprint('one')\n```\n\n```text\ntwo\n```", AssertionError),
        ("```python\nprint('a\\nb')\n```\n```text\nb\na\n```", AssertionError),
        ("```console\n$ concertmaster no-such-command\n```", AssertionError),
    ],
)
def test_document_that_lies_is_found_out(block: str, error: type[Exception], desk: Path):
    with pytest.raises(error):
        Reader("made up").follow(f"# T\n\n{block}\n")


def test_id_shown_stands_for_the_real_one():
    reader = Reader("made up")
    reader.compare("│ apr-000000aa waits", "run-0123456789abcdef\n│ apr-5f0c5f0c waits", 1)
    assert reader.ids == {"apr-000000aa": "apr-5f0c5f0c"}


def test_commands_are_told_from_their_output():
    text = "$ concertmaster check x \\\n    --json  # exit 3\nline\n$ make demo\n"
    found = list(commands(text))
    assert [c for c, _ in found] == ["concertmaster check x      --json  # exit 3", "make demo"]
    assert found[0][1] == "line\n"


def test_words_shown_are_compared_loosely():
    real = "┃ Hops ┃ 12 ms ┃\n│ answered with │ 2 citations │\n"
    assert unmet("Hops 99 ms\n...\nanswered with 3 citations", real) == []
    assert unmet("answered with\nHops", real) == ["Hops"]
