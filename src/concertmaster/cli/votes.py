"""From what was typed to an answer to an approval."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from concertmaster.contracts import Answer, Approval, Approve, Edit, Reject, Respond
from concertmaster.errors import ConfigError

__all__ = ["edited_arguments", "parse_vote"]


def parse_vote(verb: str, said: Sequence[str], approval: Approval) -> Answer:
    """Return the answer that the words after an approval's id stand for.

    Raises:
        ConfigError: an edit changes nothing or names what is no argument, a text is missing.
    """
    text = " ".join(said)
    match verb:
        case "approve":
            return Approve(reason=text)
        case "reject":
            return Reject(reason=text)
        case "respond":
            if not text.strip():
                raise ConfigError("a response needs a text", hint="say what the desk goes on with")
            return Respond(text=text)
        case "edit":
            return Edit(arguments=edited_arguments(approval, None, said))
    raise ConfigError(f"{verb!r} is no answer", hint="approve, edit, reject or respond")


def edited_arguments(
    approval: Approval, arguments: str | None, changes: Sequence[str]
) -> Mapping[str, Any]:
    """Return the call's arguments with the changes made to them.

    Args:
        approval: whose call is edited.
        arguments: all of the new arguments, as a JSON object; the present ones without it.
        changes: `name=value`; a value is read as JSON unless the present one is a text.

    Raises:
        ConfigError: the JSON is none, or a change names no argument.
    """
    edited = dict(_parsed(arguments)) if arguments is not None else dict(approval.action.arguments)
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in edited:
            known = ", ".join(edited) or "none"
            raise ConfigError(
                f"{change!r} changes no argument of {approval.action.tool}",
                hint=f"write NAME=VALUE; its arguments are: {known}",
            )
        edited[name] = value if isinstance(edited[name], str) else _value(name, value)
    if edited == approval.action.arguments:
        raise ConfigError(
            "the edit changes nothing",
            hint="give --set NAME=VALUE or --args JSON, or approve the call as it is",
        )
    return edited


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"the arguments are no JSON: {error}",
            hint="""for instance --args '{"order_id": 1042, "amount": 2500}'""",
        ) from None
    if not isinstance(value, dict):
        raise ConfigError("the arguments are no JSON object", hint="""write '{"name": value}'""")
    return value


def _value(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ConfigError(
            f"{name}={text!r}: the value is no JSON",
            hint=f"""numbers, true and false stand as they are, a text in quotes: {name}='"…"'""",
        ) from None
