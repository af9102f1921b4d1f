"""What tests of the server share: a desk, people with tokens, clients, a server that streams."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from tests.refunds import FILES
from tests.workspaces import write_workspace

import concertmaster as cm
from concertmaster.contracts import Principal
from concertmaster.errors import Unauthenticated
from concertmaster.serving.app import create_app
from concertmaster.serving.server import Server, bound
from concertmaster.serving.settings import Limits, Settings

PEOPLE = {
    "ana-token": Principal(id="ana", roles=("customer",)),
    "ben-token": Principal(id="ben", roles=("customer",)),
    "li-token": Principal(id="li", roles=("staff", "finance")),
    "mats-token": Principal(id="mats", roles=("staff", "finance")),
    "sam-token": Principal(id="sam", roles=("staff",)),
    # Of the same ids and roles, in another house.
    "other-ana-token": Principal(id="ana", roles=("customer",), tenant="elsewhere"),
    "other-li-token": Principal(id="li", roles=("staff", "finance"), tenant="elsewhere"),
}


@pytest.fixture
def people() -> dict[str, Principal]:
    """Return the principals behind the tokens that `auth` takes."""
    return PEOPLE


@pytest.fixture
def auth():
    """Return an authenticator that knows `PEOPLE` by their tokens."""

    async def ask(connection) -> Principal | None:
        shown = connection.headers.get("authorization")
        if shown is None:
            return None
        found = PEOPLE.get(shown.removeprefix("Bearer "))
        if found is None:
            raise Unauthenticated("this key is not known here", reason="unknown_key")
        return found

    return ask


@pytest.fixture
def support_desk(root: Path) -> Path:
    """Return the folder of the sample workspace."""
    return root / "examples" / "support_desk"


@pytest.fixture
async def desk(support_desk: Path, trained: Path) -> AsyncIterator[cm.Desk]:
    """Open the sample workspace with a home of its own."""
    async with cm.open(support_desk, home=trained) as opened:
        yield opened


_HELD = """
    while order_id == 77 and not (ctx.data_dir / "go").exists():
        time.sleep(0.01)
"""


# Order 77 is looked up for as long as nobody lets go of it.
_DOC = '"Look an order up."'
_TOOLS = FILES["tools.py"].replace(_DOC, _DOC + _HELD)


@pytest.fixture
def refunds_folder(tmp_path: Path) -> Path:
    """Return a small workspace: refunds over 50.00 wait for finance, order 77 for `let_go`."""
    return write_workspace(tmp_path / "refunds", {**FILES, "tools.py": _TOOLS})


@pytest.fixture
def refunds_home(tmp_path: Path) -> Path:
    """Return the home of the small workspace."""
    return tmp_path / "refunds-home"


@pytest.fixture
async def refunds(refunds_folder: Path, refunds_home: Path) -> AsyncIterator[cm.Desk]:
    """Open the small workspace."""
    async with cm.open(refunds_folder, home=refunds_home) as opened:
        try:
            yield opened
        finally:
            (refunds_home / "data" / "go").touch()


@pytest.fixture
def let_go(refunds_home: Path):
    """Return what lets the runs about order 77 go on."""

    def go() -> None:
        (refunds_home / "data").mkdir(parents=True, exist_ok=True)
        (refunds_home / "data" / "go").touch()

    yield go
    go()


@pytest.fixture
def client_of():
    """Return what makes a client of an app, for plain requests: `client_of(app, "ana")`."""

    def make(app, who: str | None = None) -> httpx.AsyncClient:
        # What nobody expected is answered by the app itself, and is to be seen as clients see it.
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {who}-token"} if who else {}
        return httpx.AsyncClient(transport=transport, base_url="http://server", headers=headers)

    return make


class Serving:
    """Serves apps on free ports of the loopback, in this event loop."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Server, asyncio.Task[None]]] = {}

    async def __call__(self, app) -> str:
        """Serve an app; return its address, without a slash at the end."""
        there = bound("127.0.0.1", 0)
        url = f"http://127.0.0.1:{there.getsockname()[1]}"
        server = Server(app)
        task = asyncio.create_task(server.serve(sockets=[there]))
        self._running[url] = server, task
        async with asyncio.timeout(30):
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
        if task.done():
            task.result()
            raise server.failed or RuntimeError("the server did not start")
        return url

    async def stop(self, url: str) -> None:
        """Stop a server as a signal would."""
        server, task = self._running.pop(url)
        server.should_exit = True
        await asyncio.wait_for(task, 60)

    async def stop_all(self) -> None:
        """Stop what still runs."""
        for url in list(self._running):
            await self.stop(url)


@pytest.fixture
async def serve() -> AsyncIterator[Serving]:
    """Return what serves an app by Uvicorn: `url = await serve(app)`, `await serve.stop(url)`."""
    serving = Serving()
    try:
        yield serving
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await serving.stop_all()


@pytest.fixture
def served(refunds_folder: Path, refunds_home: Path, auth) -> Iterator[str]:
    """Serve the small workspace in a thread, for who asks without an event loop; no limit holds."""
    most = 1_000_000
    limits = Limits(requests=most, runs=most, runs_each=most, streams_each=most, waiting=0.05)
    app = create_app(refunds_folder, auth=auth, settings=Settings(limits=limits), home=refunds_home)
    server, there = Server(app), bound("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [there]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{there.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
