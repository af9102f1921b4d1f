"""What `langgraph.json` names can be loaded by a server of other people, and stays governed."""

import asyncio
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from langgraph.graph.state import CompiledStateGraph

from concertmaster import deploy
from concertmaster.errors import ConfigError


@pytest.fixture(autouse=True)
async def _closed():
    """Close what a test leaves open, as the end of a server's event loop does."""
    yield
    for kept in list(deploy._kept.values()):
        kept.holding.cancel()
        await asyncio.wait({kept.holding})
    deploy._kept.clear()


@pytest.fixture
def small(refunds_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the small workspace served."""
    monkeypatch.setenv("CONCERTMASTER_WORKSPACE", str(refunds_folder))
    return refunds_folder


def entries(root: Path) -> dict[str, str]:
    return json.loads((root / "langgraph.json").read_text())["graphs"]


async def test_every_entry_of_langgraph_json_yields_a_compiled_graph(root: Path) -> None:
    for name, entry in entries(root).items():
        module, _, attribute = entry.partition(":")
        factory = getattr(importlib.import_module(module), attribute)
        async with factory() as graph:
            assert isinstance(graph, CompiledStateGraph), name
            assert "message" in graph.get_input_jsonschema()["properties"]


async def test_workspace_is_opened_once_for_all_runs_of_a_server(small: Path) -> None:
    async def graph() -> Any:
        async with deploy.support_desk() as entered:
            return entered

    first, second = await asyncio.gather(graph(), graph())
    assert first is second
    assert await graph() is first


async def test_graph_acts_for_nobody_without_the_servers_authentication(small: Path) -> None:
    async with deploy.support_desk() as graph:
        config: Any = {"configurable": {"thread_id": "t-1", "principal": "ana"}}
        state = await graph.ainvoke({"message": "Please refund 80.00 for order 7"}, config)
    assert state["turn"]["request"]["principal"] == "anonymous"
    assert state["turn"]["outcome"]["status"] == "refused"


async def test_user_of_the_server_is_told_that_nothing_is_called_without_the_host(
    small: Path,
) -> None:
    # As LangGraph's server puts it there; callers cannot, see its check of names.
    user = SimpleNamespace(identity="ana", is_authenticated=True)
    async with deploy.support_desk() as graph:
        config: Any = {
            "configurable": {
                "thread_id": "t-1",
                "assistant_id": "a-1",
                "graph_id": "support_desk",
                "langgraph_auth_user": user,
            }
        }
        state = await graph.ainvoke({"message": "refund 20 EUR of order 7"}, config)
    turn = state["turn"]
    assert turn["request"]["principal"] == "ana"
    assert turn["outcome"]["status"] == "refused"
    assert "this graph runs without its host" in turn["outcome"]["cause"]
    # It is told at once, and not when the limit of hops ends a circle.
    assert len(turn["hops"]) < 8


async def test_workspace_that_cannot_be_opened_is_tried_again(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = small / "workflow.yaml"
    text = file.read_text()
    file.write_text("workflow: [")
    for _ in range(2):
        with pytest.raises(Exception, match="cannot be read"):
            async with deploy.support_desk():
                pass
    file.write_text(text)
    async with deploy.support_desk() as graph:
        assert isinstance(graph, CompiledStateGraph)


async def test_second_event_loop_of_a_process_is_told_why_it_gets_nothing(small: Path) -> None:
    async def enter() -> None:
        async with deploy.support_desk():
            pass

    async with deploy.support_desk():
        with pytest.raises(ConfigError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, enter())


def test_workspace_is_closed_with_the_loop_and_opened_by_the_next(
    small: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def enter() -> Any:
        async with deploy.support_desk() as graph:
            return graph

    assert asyncio.run(enter()) is not asyncio.run(enter())
    assert [kept.holding.cancelled() for kept in deploy._kept.values()] == [True]
    assert "asyncio" not in {record.name for record in caplog.records if record.levelno > 20}
    deploy._kept.clear()


@pytest.fixture(scope="module")
def script(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "langgraph_dev", root / "scripts/langgraph_dev.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        # Dataclasses look their module up.
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


async def test_agent_server_of_langgraph_runs_the_graph(
    script: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if not script.installed():
        pytest.skip("LangGraph's server is not here; `make conformance` installs and drives it")
    results = await script.checked(tmp_path)
    assert [r for r in results if not r.holds] == []
    assert len(results) == 15
