"""The ground that tests stand on: no network, no keys, a home of one's own, the shared data."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def test_no_connection_leaves_the_machine():
    # An address reserved for documentation. The refusal comes as a warning, which is an error here.
    with socket.socket() as closed, pytest.raises(UserWarning, match="tried to use"):
        closed.connect(("192.0.2.1", 443))


async def test_no_name_is_looked_up():
    with pytest.raises(socket.gaierror):
        await asyncio.get_running_loop().getaddrinfo("example.org", 443)


async def test_loopback_is_open():
    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET)
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


def test_home_is_empty_and_its_own(home: Path):
    assert os.environ["CONCERTMASTER_HOME"] == str(home)
    assert list(home.iterdir()) == []


def test_no_key_and_no_tracing_reach_a_test():
    assert "OPENAI_API_KEY" not in os.environ
    assert "LANGSMITH_API_KEY" not in os.environ
    assert os.environ["LANGSMITH_TRACING"] == "false"


def outcomes(root: Path, folder: Path, **environment: str) -> str:
    """Return pytest's closing line for one test that needs the shared data, run elsewhere."""
    tests = folder / "project" / "tests"
    tests.mkdir(parents=True)
    shutil.copyfile(root / "tests" / "conftest.py", tests / "conftest.py")
    (tests / "test_it.py").write_text(
        "def test_it(shared_data):\n    assert shared_data.is_dir()\n"
    )
    (folder / "project" / "pytest.ini").touch()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONCERTMASTER_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=folder / "project",
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip().splitlines()[-1]


def test_absent_data_skips(root: Path, tmp_path: Path):
    assert outcomes(root, tmp_path).startswith("1 skipped")


def test_absent_data_fails_where_it_is_required(root: Path, tmp_path: Path):
    assert outcomes(root, tmp_path, CONCERTMASTER_REQUIRE_DATA="1").startswith("1 error")


def test_data_beside_the_checkout_is_found(root: Path, tmp_path: Path):
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert outcomes(root, tmp_path, CONCERTMASTER_REQUIRE_DATA="1").startswith("1 passed")


def test_data_named_in_the_environment_is_found(root: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    named = str(tmp_path / "elsewhere")
    assert outcomes(root, tmp_path, CONCERTMASTER_DATA=named).startswith("1 passed")
