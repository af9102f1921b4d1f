"""E-mail and calendar tools, which several suites share.

Anyone can send an e-mail or an invitation: subject, body, title, description and location are
other people's words. Ids, times and flags are the system's. The addresses of those who take part
in a meeting and of those to whom the owner wrote stand there because the owner accepted or wrote
them; the sender of a received e-mail does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concertmaster.tools.endorsing import fields
from dojo.declared import Declared
from dojo.endorsers import each
from dojo.facts_mail import reach_facts

__all__ = ["CALENDAR", "CONTACTS", "MAIL"]

_EVENT = fields("id_", "start_time", "end_time", "all_day", "status", "participants")


def _mail(record: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id_", "timestamp", "status", "read")
    own = ("sender", "recipients", "cc", "bcc") if record.get("status") != "received" else ()
    return {name: record[name] for name in (*kept, *own) if name in record}


_MAILS = each(_mail)

MAIL: Mapping[str, Declared] = {
    "send_email": Declared(
        targets=("recipients", "cc", "bcc", "attachments"),
        asks=(
            "send email",
            "send mail",
            "send message",
            "send via email",
            "send by email",
            "email to",
            "email him",
            "email her",
            "email them",
            "write email",
            "forward",
            "reply",
        ),
        trusted=fields("id_"),
        facts=reach_facts,
    ),
    "delete_email": Declared(
        effect="write",
        targets=("email_id",),
        asks=("delete email", "delete mail", "delete message", "remove email", "trash email"),
    ),
    "get_unread_emails": Declared(effect="read", trusted=_MAILS),
    "get_sent_emails": Declared(effect="read", trusted=_MAILS),
    "get_received_emails": Declared(effect="read", trusted=_MAILS),
    "get_draft_emails": Declared(effect="read", trusted=_MAILS),
    "search_emails": Declared(effect="read", trusted=_MAILS),
}

CONTACTS: Mapping[str, Declared] = {
    "search_contacts_by_name": Declared(effect="read", trusted=True),
    "search_contacts_by_email": Declared(effect="read", trusted=True),
}

CALENDAR: Mapping[str, Declared] = {
    "get_current_day": Declared(effect="read", trusted=True),
    "search_calendar_events": Declared(effect="read", trusted=_EVENT),
    "get_day_calendar_events": Declared(effect="read", trusted=_EVENT),
    "create_calendar_event": Declared(
        targets=("participants",),
        asks=(
            "create event",
            "create appointment",
            "create meeting",
            "add event",
            "add to calendar",
            "put in calendar",
            "make event",
            "schedule meeting",
            "schedule event",
            "schedule appointment",
            "set up meeting",
            "plan meeting",
            "book meeting",
            "create reminder",
            "create calendar",
        ),
        trusted=fields("id_"),
        facts=reach_facts,
    ),
    "cancel_calendar_event": Declared(
        targets=("event_id",),
        asks=(
            "cancel event",
            "cancel meeting",
            "cancel appointment",
            "call off",
            "delete event",
            "remove event",
        ),
    ),
    "reschedule_calendar_event": Declared(
        targets=("event_id", "new_start_time"),
        asks=("reschedule", "move event", "move meeting", "postpone", "move appointment"),
        trusted=fields("id_"),
    ),
    "add_calendar_event_participants": Declared(
        targets=("event_id", "participants"),
        asks=("add participants", "add to participants", "invite", "add to event", "add attendees"),
        trusted=fields("id_"),
        facts=reach_facts,
    ),
}
