"""What every test stands on: a home of its own, no way out to a network, the shared data.

Connections are bounded by pytest-socket (see `addopts` in pyproject.toml); name look-ups, which
would leave the machine before any connection is made, are bounded here.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Where a run has to be repeatable, generated cases are the same each time; elsewhere new ones come.
settings.register_profile("repeatable", derandomize=True, deadline=None)
if profile := os.environ.get("HYPOTHESIS_PROFILE"):
    settings.load_profile(profile)

ROOT = Path(__file__).resolve().parent.parent

_KEPT = frozenset({"CONCERTMASTER_DATA", "CONCERTMASTER_REQUIRE_DATA"})
_FOREIGN = ("LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_", "OPENAI_", "OTEL_", "CHROMA_")
_LOOPBACK = frozenset({None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})
_look_up = socket.getaddrinfo


def _loopback_only(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in _LOOPBACK:
        raise socket.gaierror(socket.EAI_NONAME, f"tests look up no names, {name!r} was asked for")
    return _look_up(host, *args, **kwargs)


@pytest.fixture(scope="session", autouse=True)
def _bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Take away the developer's own settings and keys, tracing, colours and name look-ups."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            own = name.startswith("CONCERTMASTER_") and name not in _KEPT
            if own or name.startswith(_FOREIGN):
                patch.delenv(name)
        base = tmp_path_factory.mktemp("session")
        patch.setenv("CONCERTMASTER_HOME", str(base / "home"))
        patch.setenv("XDG_DATA_HOME", str(base / "data"))
        patch.setenv("LANGSMITH_TRACING", "false")
        patch.setenv("LANGCHAIN_TRACING_V2", "false")
        patch.setenv("ANONYMIZED_TELEMETRY", "false")
        patch.setenv("NO_COLOR", "1")
        patch.setenv("COLUMNS", "120")
        patch.setattr(socket, "getaddrinfo", _loopback_only)
        yield


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder under which this test's home directories come to lie; empty and its own."""
    base = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CONCERTMASTER_HOME", str(base))
    return base


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the sample desk: its documents are indexed and its classifier is trained."""
    import concertmaster as cm

    made = tmp_path_factory.mktemp("trained") / "home"
    with cm.open_sync(ROOT / "examples" / "support_desk", home=made):
        pass
    return made


@pytest.fixture
def trained(home: Path, _trained: Path) -> Path:
    """Have the sample desk find its index and its classifier, which take it seconds to make.

    They lie in `home` and in the folder below it that is the desk's own by default. Whatever of
    them does not fit the test's workspace is made anew, as always.
    """
    for place in (home, home / "support_desk"):
        for name in ("index", "intents"):
            shutil.copytree(_trained / name, place / name)
    return home


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets; tests that need it are skipped where it is not.

    With CONCERTMASTER_REQUIRE_DATA=1 its absence is a failure instead, so that a machine that is
    meant to have the data cannot pass without it.
    """
    configured = os.environ.get("CONCERTMASTER_DATA")
    folder = Path(configured) if configured else ROOT.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    reason = f"no data sets in {folder}; name their folder in CONCERTMASTER_DATA"
    if os.environ.get("CONCERTMASTER_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
