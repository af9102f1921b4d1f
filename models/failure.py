"""Why asking a model failed, read from whatever its library raised. Pure.

An error's own words are looked at, never passed on: they may hold keys, prompts or answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts.failure import ModelFailure
from concertmaster.models.bounded import TooLarge, Unreadable
from concertmaster.models.reply import Declined, Malformed
from concertmaster.models.waiting import retry_after

__all__ = ["Failure", "read_failure"]

_PASSING = frozenset({408, 409, 425, 429, 503, 529})
_NEVER = frozenset({501, 505})
_KEY = frozenset({401, 402, 403})
_BEYOND = ("length", "size", "window", "exceed", "too long", "maximum", "too many")
_UNREACHABLE = ("Connection", "ConnectError", "TransportError", "NetworkError", "ProtocolError")
_WRAPPED = 8
_SHAPE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One attempt that failed.

    `again` tells whether the same question may succeed in a moment, `rest` for how many seconds
    the provider asks to be left alone. `wrong` says what was wrong with an answer, to be told to
    the model. `tools` tells whether it may be tools that this model or server cannot do.
    """

    kind: ModelFailure
    told: str
    again: bool = False
    rest: float | None = None
    wrong: str | None = None
    tools: bool = False


def read_failure(error: Exception, now: float) -> Failure:
    """Put an error of a model's library into words.

    Args:
        error: what was raised.
        now: seconds since the epoch, for a `Retry-After` that is a date.
    """
    if isinstance(error, Declined):
        return Failure(kind="declined", told=str(error))
    if isinstance(error, Malformed):
        told = f"gave an answer that cannot be used: {error}"
        return Failure(kind="malformed", told=told, wrong=str(error))
    if isinstance(error, NotImplementedError):
        return Failure(kind="refused", told="cannot be given tools", tools=True)
    read = _read_only(error)
    if read is not None:
        return read
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ContextOverflowError" in names:
        return _too_long()
    status = _status(error)
    if status is not None:
        return _of_status(status, error, now)
    if any("Timeout" in name for name in names):
        return Failure(kind="timeout", told="did not answer in time", again=True)
    if any(part in name for name in names for part in _UNREACHABLE):
        told = "cannot be reached, or broke the connection off"
        return Failure(kind="unreachable", told=told, again=True)
    return _unexpected(error, names)


def _read_only(error: BaseException | None) -> Failure | None:
    """Return the failure of a body that was not read to its end; libraries may wrap the error."""
    for _ in range(_WRAPPED):
        if isinstance(error, TooLarge):
            return Failure(kind="too_large", told=str(error))
        if isinstance(error, Unreadable):
            return Failure(kind="malformed", told=str(error))
        error = error.__cause__ if error is not None else None
    return None


def _unexpected(error: Exception, names: set[str]) -> Failure:
    told = f"failed ({type(error).__name__})"
    if "LengthFinishReasonError" in names:
        wrong = "the answer was cut off at the model's limit"
        told = f"gave an answer that cannot be used: {wrong}"
        return Failure(kind="malformed", told=told, wrong=wrong)
    if "ContentFilterFinishReasonError" in names:
        return Failure(kind="declined", told="stopped its answer at a content filter")
    if "JSONDecodeError" in names:
        return Failure(
            kind="malformed", told="answered no JSON; is its URL that of a model server?"
        )
    if isinstance(error, _SHAPE) or "APIResponseValidationError" in names:
        return Failure(kind="malformed", told=told)
    return Failure(kind="broken", told=told, again=True)


def _of_status(status: int, error: Exception, now: float) -> Failure:
    if status in _KEY:
        told = f"refused the key (HTTP {status}); check the API key in the environment"
        return Failure(kind="denied", told=told)
    if status < 400:
        told = f"sends on to another address (HTTP {status}); declare that one if you trust it"
        return Failure(kind="missing", told=told)
    if status == 404:
        return Failure(kind="missing", told="does not know this model or address (HTTP 404)")
    if status == 429 and _code(error) == "insufficient_quota":
        return Failure(kind="denied", told="has no quota left for this key (HTTP 429)")
    if status == 413 or (status in (400, 422, 500) and _is_too_long(error)):
        return _too_long()
    if status in _PASSING or status >= 500:
        return Failure(
            kind="overloaded" if status in _PASSING else "broken",
            told=f"is overloaded or broken (HTTP {status})",
            again=status not in _NEVER,
            rest=retry_after(_headers(error), now),
        )
    return Failure(kind="refused", told=f"refused the request (HTTP {status})", tools=True)


def _too_long() -> Failure:
    return Failure(kind="too_long", told="holds fewer tokens than this question has")


def _is_too_long(error: Exception) -> bool:
    """Tell whether the server complains of the length; each words it in its own way."""
    if _code(error) in ("context_length_exceeded", "exceed_context_size_error"):
        return True
    words = str(error)[:2000].lower()
    return "context" in words and any(part in words for part in _BEYOND)


def _status(error: Exception) -> int | None:
    """Return the HTTP status that an error tells of; libraries keep it in different places."""
    response = getattr(error, "response", None)
    for found in (
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        getattr(error, "code", None),
        _amazon(response),
    ):
        if isinstance(found, int) and not isinstance(found, bool) and 300 <= found <= 599:
            return int(found)
    return None


def _amazon(response: Any) -> Any:
    found = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    return found.get("HTTPStatusCode") if isinstance(found, Mapping) else None


def _headers(error: Exception) -> Mapping[str, str]:
    headers = getattr(getattr(error, "response", None), "headers", None)
    return headers if isinstance(headers, Mapping) else {}


def _code(error: Exception) -> str:
    body = getattr(error, "body", None)
    found = body.get("code") or body.get("type") if isinstance(body, Mapping) else None
    return str(found or getattr(error, "code", ""))
