import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import Confidentiality
from concertmaster.errors import ConfigError
from concertmaster.models import ModelSpec, parse_model


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
