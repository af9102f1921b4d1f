"""Tells a web service of approvals: signed, tried again a few times, without argument values.

A request carries `Concertmaster-Timestamp` (seconds since 1970), `Concertmaster-Signature`
(`v1=` and the HMAC-SHA256 of timestamp, a full stop and the body, in hex) and
`Concertmaster-Delivery`, which is the notice's id, and so the same when it is told again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from concertmaster.contracts import ApprovalNotice, canonical, new_id
from concertmaster.errors import ConfigError

__all__ = ["NoticeRefused", "WebhookNotifier", "signature"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHORTEST_SECRET = 16


class NoticeRefused(ConnectionError):
    """The receiver does not want a notice: it is given up at once. For other notifiers, too."""


class _Undelivered(Exception):
    """The service did not take a notice; `again` tells whether it may do so later."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class WebhookNotifier:
    """Posts each notice as JSON to a URL.

    Args:
        url: https, or http on this machine.
        secret: at least 16 characters that only the receiver knows besides; signs each request.
        attempts: how often a notice is tried in all. A refusal (400, 401, …) is final.
        pause: seconds before the second attempt; pauses double, with some chance in them.
        timeout: seconds for one attempt.
        clock: tells the time that is signed.

    Raises:
        ConfigError: the URL or the secret will not do.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        attempts: int = 4,
        pause: float = 0.5,
        timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _check(url, secret)
        self._url = url
        self._secret = secret
        self._attempts = attempts
        self._pause = pause
        self._timeout = timeout
        self._clock = clock

    @property
    def name(self) -> str:
        """What the trail calls it: the host alone, since paths often are secrets."""
        return f"webhook {urlsplit(self._url).hostname}"

    def __repr__(self) -> str:
        """Show neither path nor secret."""
        return f"WebhookNotifier({self.name!r})"

    async def send(self, notice: ApprovalNotice) -> None:
        """Deliver a notice.

        Raises:
            NoticeRefused: the service refused it.
            ConnectionError: nobody took it, after all attempts.
        """
        import stamina

        body = canonical(notice.model_dump(mode="json"))
        delivery = notice.id or new_id("dlv")
        try:
            async for attempt in stamina.retry_context(
                on=lambda error: isinstance(error, _Undelivered) and error.again,
                attempts=self._attempts,
                timeout=None,
                wait_initial=self._pause,
                wait_max=self._pause * 8,
                wait_jitter=self._pause / 2,
            ):
                with attempt:
                    await asyncio.to_thread(self._post, body, delivery)
        except _Undelivered as error:
            kind = ConnectionError if error.again else NoticeRefused
            raise kind(str(error)) from None

    def _post(self, body: bytes, delivery: str) -> None:
        timestamp = str(int(self._clock()))
        request = urllib.request.Request(  # noqa: S310 - `_check` lets http and https pass alone
            self._url,
            data=body,
            method="POST",
            headers={
                "Content-Type": "application/json",
                "User-Agent": "concertmaster",
                "Concertmaster-Timestamp": timestamp,
                "Concertmaster-Signature": signature(self._secret, timestamp, body),
                "Concertmaster-Delivery": delivery,
            },
        )
        try:
            with _OPENER.open(request, timeout=self._timeout):
                return
        except urllib.error.HTTPError as error:
            error.close()
            again = error.code in _AGAIN
            raise _Undelivered(f"it answered {error.code}", again=again) from None
        except (OSError, HTTPException) as error:
            cause = getattr(error, "reason", None)
            kind = type(cause if isinstance(cause, Exception) else error).__name__
            raise _Undelivered(f"it could not be reached ({kind})", again=True) from None


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a request, for receivers to compare with `hmac.compare_digest`.

    >>> signature("sixteen letters.", "1767225600", b"{}")[:11]
    'v1=4adaa08e'
    """
    signed = timestamp.encode() + b"." + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is told is told to the named service alone."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Make the redirect the answer, which is none that counts as delivered."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _check(url: str, secret: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if not safe or not host or parts.username or parts.password:
        raise ConfigError(
            "the URL of the webhook will not do",
            hint="give an https URL without a name or password in it; http on this machine only",
        )
    if len(secret) < _SHORTEST_SECRET:
        raise ConfigError(
            "the webhook has no secret, or a short one",
            hint=f"set CONCERTMASTER_WEBHOOK_SECRET to {_SHORTEST_SECRET} or more characters that"
            " the receiver knows, too",
        )
