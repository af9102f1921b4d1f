"""Models of providers that LangChain knows: what they lack, and asking them over real HTTP."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.model import ModelEntry, ModelsFile
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ConfigError, ModelError, ModelUnavailable
from concertmaster.models import Choice, Models, parse_model
from concertmaster.models.lack import lack_of
from concertmaster.models.providers import PROVIDERS
from concertmaster.models.registry import declared
from concertmaster.testing import Flood

from .conftest import SCHEMA  # noqa: TID252
from .provider_stub import provider_stub  # noqa: TID252

HELLO = [{"role": "user", "content": "Hi"}]
CLAUDE = "claude-sonnet-5-5"


@asynccontextmanager
async def desk_models(**entry: Any) -> AsyncIterator[tuple[Models, Choice]]:
    models = Models.of(None, ModelsFile(models=(ModelEntry(name="one", **entry),)))
    try:
        yield models, models.choose(ModelNeed(need="chat"))
    finally:
        await models.aclose()


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make packages look as if they were not installed."""

    def hide(*names: str) -> None:
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


def test_table_of_providers_is_that_of_langchain() -> None:
    base = importlib.import_module("langchain.chat_models.base")
    known = {name: module for name, (module, _, _) in base._BUILTIN_PROVIDERS.items()}
    del known["openai"]
    assert {name: p.module for name, p in PROVIDERS.items()} == known


def test_listed_providers_are_those_of_the_price_list() -> None:
    from genai_prices.data import providers

    known = {provider.id for provider in providers}
    assert {p.prices for p in PROVIDERS.values() if p.prices} <= known


@pytest.mark.parametrize(
    ("text", "package", "command"),
    [
        ("mistralai:large", "langchain-mistralai", "pip install langchain langchain-mistralai"),
        ("bedrock:x", "langchain-aws", "pip install 'concertmaster[bedrock]'"),
        ("google_genai:x", "langchain-google-genai", "pip install 'concertmaster[google]'"),
    ],
)
def test_missing_package_is_named_with_the_command_that_installs_it(
    text: str, package: str, command: str, without: Any
) -> None:
    without(package.replace("-", "_"))
    with pytest.raises(ConfigError, match=f"needs the package {package}") as caught:
        Models.of(text)
    assert caught.value.hint == command


def test_langchain_itself_may_be_what_is_missing(without: Any) -> None:
    without("langchain")
    lack = lack_of(parse_model("ollama:llama3.2"))
    assert lack is not None
    assert (lack.kind, lack.what) == ("package", "needs the package langchain")


def test_looking_for_packages_imports_none_of_them() -> None:
    import subprocess

    code = (
        "import sys; from concertmaster.models.lack import lack_of;"
        "from concertmaster.models import parse_model; lack_of(parse_model('anthropic:x'));"
        "print([m for m in sys.modules if m.split('.')[0] in ('langchain', 'langchain_anthropic')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="needs the environment variable ANTHROPIC_API_KEY"):
        Models.of(f"anthropic:{CLAUDE}")


def test_one_of_two_usual_variables_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    assert parse_model("google_genai:gemini-2.5-flash").api_key_env == "GEMINI_API_KEY"


def test_mistyped_provider_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigError, match="there is no provider 'antropic'") as caught:
        parse_model("antropic:claude")
    assert "did you mean anthropic:?" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["api_key", "anthropic_api_key", "aws_secret_access_key", "token"])
def test_secret_among_the_options_is_refused_without_repeating_it(name: str) -> None:
    with pytest.raises(ValueError, match="belongs into the environment") as caught:
        ModelEntry(name="a", use="anthropic:x", options={name: "sk-very-secret"})
    assert "sk-very-secret" not in str(caught.value.errors()[0]["msg"])  # type: ignore[attr-defined]
    ModelEntry(name="a", use="anthropic:x", options={"max_tokens": 200})


def test_key_for_a_provider_that_takes_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="ollama takes no key"):
        declared(ModelEntry(name="a", use="ollama:llama3.2", key="SOME_KEY"))


def test_provider_on_this_machine_is_not_cleared_for_everything() -> None:
    # Ollama hands models named *-cloud on to its own service.
    spec = parse_model("ollama:gpt-oss:120b-cloud")
    assert (spec.model, spec.local) == ("gpt-oss:120b-cloud", False)
    assert spec.clearance is Confidentiality.internal


async def test_anthropic_is_asked_in_its_protocol_and_priced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-ant-test")
    with provider_stub() as stub:
        options = {"base_url": stub.url, "max_tokens": 321}
        async with desk_models(use=f"anthropic:{CLAUDE}", key="OUR_KEY", options=options) as found:
            models, choice = found
            reply = await models.complete(choice, HELLO)
            data = await models.complete(choice, HELLO, schema=SCHEMA)
    assert reply.text == "Hello there."
    listed = calc_price(
        Usage(input_tokens=1000, output_tokens=100), CLAUDE, provider_id="anthropic"
    )
    assert reply.usage.cost == pytest.approx(float(listed.total_price))
    assert reply.usage.cost > 0
    assert data.data == {"to": "a"}
    assert stub.headers[0]["authorization"] == "Bearer sk-ant-test"
    assert (stub.asked[0]["model"], stub.asked[0]["max_tokens"]) == (CLAUDE, 321)


async def test_overloaded_anthropic_is_asked_as_often_as_declared_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    with provider_stub(status=529) as stub:
        entry = {"use": f"anthropic:{CLAUDE}", "attempts": 1, "options": {"base_url": stub.url}}
        async with desk_models(**entry) as (models, choice):
            with pytest.raises(ModelUnavailable, match="HTTP 529"):
                await models.complete(choice, HELLO)
    assert len(stub.asked) == 1


async def test_ollama_is_asked_in_its_protocol() -> None:
    with provider_stub(text="Good day.") as stub:
        async with desk_models(use="ollama:llama3.2:1b", options={"base_url": stub.url}) as found:
            models, choice = found
            reply = await models.complete(choice, HELLO)
    assert (reply.text, reply.usage.input_tokens) == ("Good day.", 9)
    assert stub.asked[0]["model"] == "llama3.2:1b"


AZURE = {"api_version": "2024-10-21", "azure_deployment": "m"}
BOUNDED = [
    ("anthropic", CLAUDE, "ANTHROPIC_API_KEY", "base_url", {}),
    ("ollama", "llama3.2:1b", None, "base_url", {}),
    ("azure_openai", "gpt-4o", "AZURE_OPENAI_API_KEY", "azure_endpoint", AZURE),
]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, "sk-test")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("provider", "model", "_key", "where", "more"), BOUNDED)
async def test_reply_of_a_provider_is_cut_off_while_it_is_read(
    provider: str, model: str, _key: str, where: str, more: Any
) -> None:
    with provider_stub() as stub:
        entry = {"use": f"{provider}:{model}", "options": {where: stub.url, **more}}
        async with desk_models(**entry) as (models, choice):
            assert (await models.complete(choice, HELLO)).text == "Hello there."
            for way in ("chunked", "gzip"):
                stub.flood, stub.poured = Flood(way), 0
                with pytest.raises(ModelError, match="sent more than 4194304 bytes") as caught:
                    await models.complete(choice, HELLO)
                assert caught.value.kind == "too_large"
                assert stub.poured < 20_000_000
    assert len(stub.asked) == 3


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("provider", "model", "_key", "where", "more"), BOUNDED)
async def test_prompt_is_not_sent_on_to_where_a_server_redirects(
    provider: str, model: str, _key: str, where: str, more: Any
) -> None:
    with provider_stub(status=307) as stub:
        entry = {"use": f"{provider}:{model}", "options": {where: stub.url, **more}}
        async with desk_models(**entry) as (models, choice):
            with pytest.raises(ModelUnavailable, match="sends on to another address") as caught:
                await models.complete(choice, HELLO)
    assert (caught.value.kind, len(stub.asked)) == ("missing", 1)


async def test_option_that_the_library_refuses_is_told_by_kind_and_not_by_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    async with desk_models(use=f"anthropic:{CLAUDE}", options={"max_tokens": "many"}) as found:
        models, choice = found
        with pytest.raises(ModelUnavailable, match="library raised ValidationError") as caught:
            await models.complete(choice, HELLO)
    assert "many" not in str(caught.value)


def test_function_of_the_workspace_makes_a_model(tmp_path: Path) -> None:
    from concertmaster.testing import ScriptedModel

    file = ModelsFile(models=(ModelEntry(name="ours", use="chats:house", tier="best"),))
    models = Models.of(None, file, folder=tmp_path, makers={"chats:house": ScriptedModel})
    assert models.choose(ModelNeed(need="chat")).model is models.chats[0]
    assert isinstance(models.chats[0].instance, ScriptedModel)


@pytest.mark.parametrize(
    ("maker", "told"),
    [
        (lambda: 1 / 0, "needs chats:house, which raised ZeroDivisionError"),
        (lambda: "a text", "needs chats:house to return a chat model, not a str"),
    ],
)
def test_function_that_makes_no_model_leaves_it_out_with_the_reason(maker: Any, told: str) -> None:
    file = ModelsFile(models=(ModelEntry(name="ours", use="chats:house"),))
    choice = Models.of(None, file, makers={"chats:house": maker}).choose(ModelNeed(need="chat"))
    assert choice.model is None
    assert told in choice.reason
