"""An audit event as a CloudEvents 1.0 envelope, and back."""

from __future__ import annotations

import json
from typing import Any, get_args
from urllib.parse import quote

from pydantic import ValidationError

from concertmaster.contracts import AuditEvent, canonical
from concertmaster.contracts.events import EventType
from concertmaster.errors import StorageError

__all__ = ["SCHEMA_VERSION", "from_envelope", "to_envelope"]

SCHEMA_VERSION = 1

_PREFIX = "concertmaster."
_TYPES = frozenset(get_args(EventType))


def to_envelope(event: AuditEvent) -> str:
    """Return the canonical JSON (RFC 8785) of the event's CloudEvents envelope.

    `subject` is what the event is about: its run, else its thread, else its workspace. The
    sequence number is the store's and no part of the envelope.
    """
    data = {
        "workspace": event.workspace,
        "thread": event.thread,
        "run": event.run,
        "actor": event.actor,
        "on_behalf_of": event.on_behalf_of,
        "why": event.why,
    }
    return canonical(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": "/concertmaster/" + quote(event.workspace, safe=""),
            "type": _PREFIX + event.type,
            "subject": event.run or event.thread or event.workspace,
            "time": event.time,
            "datacontenttype": "application/json",
            "data": {**data, "detail": event.data, "schema_version": SCHEMA_VERSION},
        }
    ).decode()


def from_envelope(text: str, seq: int) -> AuditEvent:
    """Return the event of a stored envelope.

    Raises:
        StorageError: the row is not an envelope that this release can read.
    """
    try:
        envelope: dict[str, Any] = json.loads(text)
        data = dict(envelope["data"])
        version = data.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise StorageError(
                f"event {seq} of the audit trail has version {version!r},"
                f" this release reads {SCHEMA_VERSION}",
                hint="read it with the release that wrote it, or a newer one",
            )
        return AuditEvent.model_validate(
            {
                "id": envelope["id"],
                "seq": seq,
                "time": envelope["time"],
                "type": envelope["type"].removeprefix(_PREFIX),
                "data": data.pop("detail"),
                **data,
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise StorageError(
            f"event {seq} of the audit trail is damaged ({type(error).__name__})",
            hint="restore a backup; the trail is never changed by Concertmaster itself",
        ) from None


def type_column(type_: str) -> str:
    """Return how an event type is stored.

    Raises:
        ValueError: there is no such type.
    """
    if type_ not in _TYPES:
        raise ValueError(f"{type_!r} is no event type")
    return _PREFIX + type_
