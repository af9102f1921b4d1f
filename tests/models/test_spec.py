import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.model import ModelEntry
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ConfigError, ModelUnavailable
from concertmaster.models import Models, ModelSpec, parse_model
from concertmaster.models.prices import price_of
from concertmaster.models.registry import declared
from concertmaster.testing import openai_server


def test_openai_model_is_named_by_provider_and_model() -> None:
    spec = parse_model(" openai:gpt-4o-mini ")
    assert (spec.name, spec.provider, spec.model) == ("openai:gpt-4o-mini", "openai", "gpt-4o-mini")
    assert spec.base_url is None
    assert not spec.local
    assert spec.clearance is Confidentiality.internal


@pytest.mark.parametrize(
    ("text", "base_url", "model", "local"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", None, True),
        ("http://localhost:8000", "http://localhost:8000/v1", None, True),
        ("http://[::1]:8000/v1/", "http://[::1]:8000/v1", None, True),
        ("HTTPS://models.example/api#a/b%20c", "https://models.example/api", "a/b c", False),
        ("http://127.0.0.1.example/v1", "http://127.0.0.1.example/v1", None, False),
    ],
)
def test_server_is_named_by_its_url(
    text: str, base_url: str, model: str | None, local: bool
) -> None:
    spec = parse_model(text)
    assert (spec.base_url, spec.model, spec.local) == (base_url, model, local)
    expected = Confidentiality.restricted if local else Confidentiality.internal
    assert spec.clearance is expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no model"),
        ("gpt-4o", "names no model"),
        ("openai:", "names no model of openai"),
        ("openai:two words", "names no model of openai"),
        ("antropic:claude", "no provider .antropic"),
        ("http://", "names no server"),
        ("http://host:port/v1", "cannot be read"),
        ("http://host/v1?key=secret", "holds a query"),
        ("https://user:secret@host/v1", "holds a user or a password"),
        ("ftp://host/v1", "no provider .ftp"),
    ],
)
def test_nonsense_is_refused_in_words_without_secrets(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse_model(text)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_model_or_a_told_error(text: str) -> None:
    try:
        spec = parse_model(text)
    except ConfigError:
        return
    assert isinstance(spec, ModelSpec)


def test_openai_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        parse_model("openai:gpt-4o-mini").api_key()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert parse_model("openai:gpt-4o-mini").api_key() == "sk-1"


def test_key_of_openai_is_never_sent_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.delenv("CONCERTMASTER_MODEL_KEY", raising=False)
    spec = parse_model("https://models.example/v1")
    assert spec.api_key() == "none"
    monkeypatch.setenv("CONCERTMASTER_MODEL_KEY", "own")
    assert spec.api_key() == "own"


CLOUD = "http://127.0.0.1:11434/v1#gpt-oss:120b-cloud"


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "glm-4.6:cloud", "Qwen3:480B-CLOUD"])
def test_model_that_a_server_on_this_machine_hands_on_is_not_cleared_like_a_local_one(
    model: str,
) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        spec = parse_model(f"http://{host}:11434/v1#{model}")
        assert (spec.loopback, spec.local) == (True, False)
        assert spec.clearance is Confidentiality.internal
        assert price_of(spec) is None
    beside = parse_model("http://localhost:11434/v1#llama3.2:1b")
    assert (beside.local, beside.clearance) == (True, Confidentiality.restricted)


def test_model_that_is_handed_on_may_be_declared_as_cleared() -> None:
    entry = {"name": "ours", "use": CLOUD}
    assert declared(ModelEntry(**entry)).clearance is Confidentiality.internal
    spec = declared(ModelEntry(**entry, clearance="restricted", region="eu"))
    assert (spec.clearance, spec.local) == (Confidentiality.restricted, False)


def test_restricted_text_and_regions_are_not_served_by_what_is_handed_on() -> None:
    models = Models.of(CLOUD)
    restricted = models.choose(ModelNeed(need="chat", clearance="restricted"))
    assert restricted.model is None
    assert "is cleared for internal data, not for restricted" in restricted.reason
    at_home = models.choose(ModelNeed(need="chat", regions=("eu",)))
    assert "declares no region, not in eu" in at_home.reason


async def test_server_that_lists_a_handed_on_model_first_is_asked_for_its_own() -> None:
    async with openai_server(otherwise="Hello.", models=("glm:cloud", "llama")) as server:
        models = Models.of(server.url)
        await models.complete(models.choose(ModelNeed(need="chat")), "Hi")
        assert server.requests[-1].body["model"] == "llama"
        await models.aclose()
    async with openai_server(otherwise="Hello.", models=("glm:cloud",)) as server:
        models = Models.of(server.url)
        with pytest.raises(ModelUnavailable, match="serves no model of this machine"):
            await models.complete(models.choose(ModelNeed(need="chat")), "Hi")
        await models.aclose()
        assert [r.method for r in server.requests] == ["GET"]
