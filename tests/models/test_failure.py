from typing import Any

import pytest

from concertmaster.models.failure import read_failure
from concertmaster.models.reply import Declined, Malformed

SECRET = "sk-live-hunter2"


class Told(Exception):
    """An error as libraries raise them, with a status in one place or another."""

    def __init__(self, **given: Any) -> None:
        super().__init__(SECRET + str(given.pop("words", "")))
        self.__dict__.update(given)


class Response:
    def __init__(self, status: int, **headers: str) -> None:
        self.status_code, self.headers = status, headers


def named(name: str) -> Exception:
    error: Exception = type(name, (Exception,), {})(SECRET)
    return error


@pytest.mark.parametrize(
    ("error", "kind", "again"),
    [
        (Told(status_code=401), "denied", False),
        (Told(status_code=403), "denied", False),
        (Told(status_code=404), "missing", False),
        (Told(status_code=400), "refused", False),
        (Told(status_code=422), "refused", False),
        (Told(status_code=413), "too_long", False),
        (Told(status_code=400, body={"code": "context_length_exceeded"}), "too_long", False),
        (Told(status_code=400, words="maximum context length is 8192"), "too_long", False),
        (Told(status_code=500, words="exceeds the available context size"), "too_long", False),
        (Told(status_code=408), "overloaded", True),
        (Told(status_code=409), "overloaded", True),
        (Told(status_code=425), "overloaded", True),
        (Told(status_code=429), "overloaded", True),
        (Told(status_code=429, body={"code": "insufficient_quota"}), "denied", False),
        (Told(status_code=500), "broken", True),
        (Told(status_code=501), "broken", False),
        (Told(status_code=503), "overloaded", True),
        (Told(status_code=529), "overloaded", True),
        (Told(response=Response(503)), "overloaded", True),
        (Told(code=429), "overloaded", True),
        (Told(response={"ResponseMetadata": {"HTTPStatusCode": 503}}), "overloaded", True),
        (ConnectionResetError(SECRET), "unreachable", True),
        (named("APIConnectionError"), "unreachable", True),
        (named("RemoteProtocolError"), "unreachable", True),
        (TimeoutError(SECRET), "timeout", True),
        (named("APITimeoutError"), "timeout", True),
        (named("OpenAIContextOverflowError"), "broken", True),
        (named("ContextOverflowError"), "too_long", False),
        (Malformed("it is empty"), "malformed", False),
        (Declined("refuses to answer this"), "declined", False),
        (named("ContentFilterFinishReasonError"), "declined", False),
        (named("LengthFinishReasonError"), "malformed", False),
        (Told(status_code=200), "broken", True),
        (ValueError(SECRET), "malformed", False),
        (KeyError("choices"), "malformed", False),
        (RuntimeError(SECRET), "broken", True),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, Exception) else None,
)
def test_every_failure_has_its_kind(error: Exception, kind: str, again: bool) -> None:
    failure = read_failure(error, 0.0)
    assert (failure.kind, failure.again) == (kind, again)
    assert SECRET not in failure.told


def test_rest_that_the_provider_asks_for_is_read_from_the_response() -> None:
    error = Told(status_code=429, response=Response(429, **{"retry-after": "12"}))
    assert read_failure(error, 0.0).rest == 12


def test_what_was_wrong_is_told_of_answers_only() -> None:
    assert read_failure(Malformed("it is empty"), 0.0).wrong == "it is empty"
    assert read_failure(ValueError("x"), 0.0).wrong is None
