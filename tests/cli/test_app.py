import subprocess
import sys

import pytest

from concertmaster.cli.failures import EXIT_CODES, exit_code
from concertmaster.errors import (
    ApprovalForbidden,
    ApprovalUnknown,
    HomeBusy,
    ModelUnavailable,
    NotReady,
    StorageError,
    UnknownPrincipal,
)

COMMANDS = [
    ["demo"],
    ["init"],
    ["check"],
    ["schema"],
    ["ingest"],
    ["run"],
    ["chat"],
    ["mcp"],
    *(["approvals", c] for c in ("list", "show", "approve", "edit", "reject", "respond")),
    *(["threads", c] for c in ("list", "show", "export")),
    *(["runs", c] for c in ("list", "cancel", "recover")),
    ["audit", "show"],
    ["graph"],
    ["backup"],
    ["version"],
]
HEAVY = ("langgraph", "langchain_core", "chromadb", "onnxruntime", "sklearn", "pydantic", "numpy")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_command_shows_an_example(cli, command):
    result = cli(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: concertmaster {' '.join(command)}" in " ".join(result.stdout.split())


def test_help_lists_every_command_and_every_exit_code(cli):
    text = cli("--help").stdout
    for command in {names[0] for names in COMMANDS}:
        assert f" {command} " in text
    for code, meaning in EXIT_CODES.items():
        assert f"{code}  {meaning}" in text


def test_help_loads_nothing_heavy():
    script = (
        "import sys\nfrom concertmaster.cli import main\nsys.argv = ['concertmaster', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n"
        f"    print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")


def test_unknown_command_is_refused_with_a_suggestion(cli):
    result = cli("aprovals")
    assert result.exit_code == 2
    assert "'approvals'" in result.stderr
    assert result.stdout == ""


def test_unknown_option_is_refused_with_a_suggestion(cli):
    result = cli("check", "x", "--jason")
    assert result.exit_code == 2
    assert "--json" in result.stderr


def test_version_is_one_document(ask, cli):
    found, code = ask("version")
    assert code == 0
    assert found["concertmaster"] in cli("--version").stdout
    assert {"python", "langgraph", "cedarpy"} <= set(found)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownPrincipal("x"), 2),
        (ApprovalUnknown("x"), 2),
        (NotReady("x"), 3),
        (HomeBusy("x"), 4),
        (StorageError("x"), 4),
        (ApprovalForbidden("x"), 5),
        (ModelUnavailable("x"), 6),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_have_their_exit_codes(error, code):
    assert exit_code(error) == code


def test_unexpected_error_is_one_line_and_a_traceback_only_on_request(
    cli, workspace, monkeypatch, process
):
    (workspace / "tools.py").write_text("import nowhere_at_all\n")
    told = process("run", workspace, "hello", "--as", "ana")
    assert "Traceback" not in told.stderr
    assert told.returncode in (3, 70)
    monkeypatch.setenv("CONCERTMASTER_DEBUG", "1")
    assert "Traceback" in process("run", workspace, "hello", "--as", "ana").stderr
