"""Where Chroma is: a folder of this process, or a server (`chroma run`). Connecting, no more."""

from __future__ import annotations

import os
import ssl
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from concertmaster.contracts.spec import ChromaSpec
from concertmaster.errors import ConfigError, StorageError

__all__ = ["Folder", "Place", "Server", "place_of"]

_URL, _TOKEN, _CA = "CONCERTMASTER_CHROMA", "CONCERTMASTER_CHROMA_TOKEN", "CONCERTMASTER_CHROMA_CA"
_SECONDS = 10.0
"""How long a server may take to answer, and to connect."""


class Place(Protocol):
    """Where a Chroma database is."""

    @property
    def name(self) -> str:
        """What tells it from other places, for people and for the index; holds no secret."""

    @property
    def shared(self) -> bool:
        """Whether other processes change it through the same server, so nothing is stale."""

    @property
    def exists(self) -> bool:
        """Whether there is a database, as far as that can be told without asking it."""

    def connect(self) -> Any:
        """Return a new Chroma client; `close` releases it."""

    def close(self, client: Any) -> None:
        """Release a client with its files or connections."""


@dataclass(frozen=True)
class Folder:
    """A folder in which this process runs Chroma itself."""

    path: Path
    shared: bool = False

    @property
    def name(self) -> str:
        """A folder may move with its home."""
        return "folder"

    @property
    def exists(self) -> bool:
        """Whether there is a Chroma database in the folder."""
        return (self.path / "chroma.sqlite3").is_file()

    def connect(self) -> Any:
        """Open the folder."""
        import chromadb
        from chromadb.config import Settings

        # No `.env` of whatever folder this runs in; no telemetry.
        settings = Settings(_env_file=None, anonymized_telemetry=False)
        return chromadb.PersistentClient(str(self.path), settings=settings)

    def close(self, client: Any) -> None:
        """Let go of the folder."""
        client.close()


@dataclass(frozen=True)
class Server:
    """A Chroma server. `headers` may hold a token: they are shown nowhere."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: str | None = None
    database: str = "default_database"
    shared: bool = True
    exists: bool = True

    @property
    def name(self) -> str:
        """The server's address and database."""
        return f"{self.url}/{self.database}"

    def connect(self) -> Any:
        """Connect, or fail within seconds.

        Raises:
            StorageError: it does not answer, or answers that this caller may not.
        """
        import chromadb
        import httpx
        from chromadb.config import Settings

        self._greet(httpx)
        settings = Settings(
            _env_file=None, anonymized_telemetry=False, chroma_server_ssl_verify=self.ca or True
        )
        at = urlsplit(self.url)
        with warnings.catch_warnings():
            # Chroma hands the file's name on to httpx, which would rather have a context.
            warnings.filterwarnings("ignore", message="`verify=<str>` is deprecated")
            client = chromadb.HttpClient(
                host=at.hostname or "",
                port=at.port or (443 if at.scheme == "https" else 80),
                ssl=at.scheme == "https",
                headers=dict(self.headers),
                settings=settings,
                database=self.database,
            )
        # Chroma's own client waits for ever; there is no setting for it.
        for session in _sessions(client):
            session.timeout = httpx.Timeout(_SECONDS)
        return client

    def close(self, client: Any) -> None:
        """Close the connections, which Chroma's own client leaves open."""
        sessions = _sessions(client)
        client.close()
        for session in sessions:
            session.close()

    def _greet(self, httpx: Any) -> None:
        """Ask whether it is there: unlike the client, with a limit of time."""
        try:
            answer = httpx.get(
                f"{self.url}/api/v2/heartbeat",
                headers=dict(self.headers),
                timeout=_SECONDS,
                verify=ssl.create_default_context(cafile=self.ca) if self.ca else True,
            )
            told = None if answer.is_success else f"answered with status {answer.status_code}"
        except Exception as error:
            told = f"cannot be reached ({type(error).__name__})"
        if told:
            raise StorageError(
                f"the Chroma server {self.url} {told}",
                hint=f"start it (chroma run), or correct {_URL}, {_TOKEN} and {_CA}",
            )


def _sessions(client: Any) -> list[Any]:
    """Return the HTTP sessions of a client: its own, and that of its administrative twin."""
    clients = (client, getattr(client, "_admin_client", None))
    servers = [getattr(c, "_server", None) for c in clients]
    return [session for s in servers if (session := getattr(s, "_session", None)) is not None]


def place_of(spec: ChromaSpec | None, folder: Path) -> Place:
    """Return where a workspace's vectors lie: as the environment says, else the description.

    Raises:
        ConfigError: the address, the token or the certificates cannot be used.
    """
    given = os.environ.get(_URL)
    if given in ("", "local") or (given is None and spec is None):
        return Folder(folder)
    described = spec or ChromaSpec(server=given or "")
    url = (given or described.server).rstrip("/")
    at = urlsplit(url)
    if not _usable(at):
        # The address is not repeated: it may hold a password.
        raise ConfigError(
            "the address of the Chroma server cannot be used",
            hint=f"write http(s)://HOST:PORT in {_URL} or in `chroma: {{server: …}}`; a token"
            f" belongs in {_TOKEN}",
        )
    ca = os.environ.get(_CA) or described.ca
    if ca and not Path(ca).is_file():
        raise ConfigError(f"{ca}: there are no certificates", hint=f"correct {_CA} or `ca`")
    token = os.environ.get(_TOKEN)
    return Server(url, _headers(token, described.header), ca, described.database)


def _usable(at: SplitResult) -> bool:
    try:
        named = bool(at.hostname) and at.port != 0
    except ValueError:
        return False
    return named and at.scheme in ("http", "https") and not (at.username or at.password)


def _headers(token: str | None, header: str) -> dict[str, str]:
    if not token:
        return {}
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{_TOKEN} holds what no header may", hint="set it to the token alone")
    return {header: f"Bearer {token}" if header == "Authorization" else token}
