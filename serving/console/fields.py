"""A form from a tool's JSON schema, and the arguments that come back in it. Pure.

What a form brings is a proposal: the tool's own types check it afterwards, whatever a browser let
through.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.serving.console.characters import hidden, plain_json

__all__ = ["PREFIX", "Field", "Unreadable", "form_of", "read"]

PREFIX = "arg."
"""What the names of the form's fields begin with."""

Kind = Literal["text", "long", "number", "choice", "json"]

_LONG = 80
_NOTHING = "null"
_MOST_DEPTH = 8


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field. `value` is what it holds at first, `options` what can be chosen.

    `hidden` are characters of the value that nobody sees. `present` tells whether the call has a
    value for it at all.
    """

    name: str
    label: str
    kind: Kind
    value: str
    type: str
    required: bool
    nullable: bool
    present: bool
    help: str = ""
    hidden: str = ""
    options: tuple[tuple[str, str], ...] = ()
    limits: Mapping[str, str]

    @property
    def key(self) -> str:
        """The name of the field in the form."""
        return f"{PREFIX}{self.name}"


class Unreadable(ValueError):
    """A field's text is no value of its type. The text itself is not repeated."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name, self.why = name, why


def form_of(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> tuple[Field, ...]:
    """Return the fields for a call's arguments, those that the schema does not know last."""
    properties = schema.get("properties") or {}
    required = frozenset(schema.get("required") or ())
    fields = [
        _field(schema, name, declared, arguments, name in required)
        for name, declared in properties.items()
    ]
    unknown = [name for name in arguments if name not in properties]
    return (*fields, *(_field(schema, name, {}, arguments, False) for name in unknown))


def read(
    fields: tuple[Field, ...], given: Mapping[str, str], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments that a form brings.

    A field that was left as it was keeps its value exactly, also what a browser would change, such
    as the ends of lines.

    Raises:
        Unreadable: a text is no value of its field's type.
    """
    found: dict[str, Any] = {}
    for field in fields:
        text = given.get(field.key)
        if text is None or _lines(text) == _lines(field.value):
            if field.present:
                found[field.name] = arguments[field.name]
            continue
        if text == "" and not field.required and not field.nullable and field.kind != "text":
            continue
        found[field.name] = _value(field, text)
    return found


def _field(
    schema: Mapping[str, Any],
    name: str,
    declared: Mapping[str, Any],
    arguments: Mapping[str, Any],
    required: bool,
) -> Field:
    own, nullable = _unwrapped(schema, declared)
    present = name in arguments
    value = arguments.get(name, own.get("default", declared.get("default", "")))
    kind, type_ = _kind(own, value)
    given = required or "default" in own or "default" in declared
    options = tuple(_options(own, nullable, given)) if kind == "choice" else ()
    text = _shown(value, kind)
    if options and text not in {key for key, _ in options}:
        options = ((text, text or "—"), *options)
    return Field(
        name=name,
        label=str(declared.get("title") or own.get("title") or name.replace("_", " ").capitalize()),
        kind=kind,
        value=text,
        type=type_,
        required=required,
        nullable=nullable,
        present=present,
        help=str(declared.get("description") or own.get("description") or ""),
        hidden=hidden(text),
        options=options,
        limits=dict(_limits(own, kind)),
    )


def _unwrapped(
    schema: Mapping[str, Any], declared: Mapping[str, Any]
) -> tuple[Mapping[str, Any], bool]:
    """Return a property without references and without its way of being null."""
    nullable = False
    for _ in range(_MOST_DEPTH):
        if "$ref" in declared:
            name = str(declared["$ref"]).rpartition("/")[2]
            declared = (schema.get("$defs") or {}).get(name) or {}
            continue
        ways = declared.get("anyOf") or declared.get("oneOf") or declared.get("allOf")
        if not isinstance(ways, list):
            break
        kept = [way for way in ways if way.get("type") != "null"]
        nullable = nullable or len(kept) < len(ways)
        if len(kept) != 1:
            return {}, nullable
        declared = kept[0]
    return declared, nullable


def _kind(own: Mapping[str, Any], value: Any) -> tuple[Kind, str]:
    type_ = str(own.get("type") or "")
    if _choices(own) or type_ == "boolean":
        return "choice", type_ or "choice"
    if type_ in ("integer", "number"):
        return "number", type_
    if type_ == "string" and (value is None or isinstance(value, str)):
        long = isinstance(value, str) and (len(value) > _LONG or "\n" in value)
        wide = int(own.get("maxLength") or 0) > 2 * _LONG
        return ("long" if long or wide else "text"), "text"
    return "json", type_ if type_ in ("array", "object") else "JSON"


def _choices(own: Mapping[str, Any]) -> list[Any]:
    return list(own.get("enum") or ([own["const"]] if "const" in own else []))


def _options(own: Mapping[str, Any], nullable: bool, given: bool) -> Iterator[tuple[str, str]]:
    for choice in _choices(own) or [True, False]:
        text = _shown(choice, "choice")
        yield (
            text,
            {"true": "yes", "false": "no"}.get(text, text) if choice in (True, False) else text,
        )
    if nullable:
        yield _NOTHING, "nothing"
    elif not given:
        yield "", "—"


def _shown(value: Any, kind: Kind) -> str:
    if isinstance(value, str) and kind != "json":
        return value
    if value is None and kind in ("text", "long", "number"):
        return ""
    if value == "" and kind == "json":
        return ""
    return plain_json(value, indent=2 if kind == "json" else None)


def _limits(own: Mapping[str, Any], kind: Kind) -> Iterator[tuple[str, str]]:
    """Yield attributes with which a browser helps; the server does not rely on them."""
    if kind in ("text", "long"):
        for key, name in (("minLength", "minlength"), ("maxLength", "maxlength")):
            if key in own:
                yield name, str(int(own[key]))
    if kind == "number":
        for key, name in (("minimum", "min"), ("maximum", "max")):
            if key in own:
                yield name, str(own[key])
        yield "step", "1" if own.get("type") == "integer" else "any"


def _value(field: Field, text: str) -> Any:
    """Return the value that a text stands for."""
    if field.kind in ("text", "long"):
        return None if text == "" and field.nullable else _lines(text)
    if field.kind == "choice":
        chosen = dict(field.options)
        if text not in chosen:
            raise Unreadable(field.label, "choose one of the values")
        return _choice(field, text)
    if text.strip() == "" and field.nullable:
        return None
    if field.kind == "number":
        return _number(field, text.strip())
    try:
        value = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise Unreadable(field.label, "this is not JSON") from None
    return value


def _choice(field: Field, text: str) -> Any:
    if text == _NOTHING and field.nullable:
        return None
    if field.type in ("boolean", "integer", "number", "choice"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _number(field: Field, text: str) -> int | float:
    try:
        if field.type == "integer":
            if len(text) > 40:
                raise ValueError
            return int(text)
        number = float(text)
    except ValueError:
        kind = "whole number" if field.type == "integer" else "number"
        raise Unreadable(field.label, f"this is no {kind}") from None
    if not math.isfinite(number):
        raise Unreadable(field.label, "this is no number")
    return number


def _lines(text: str) -> str:
    """Return a text with line ends as JSON has them; forms send them in another way."""
    return text.replace("\r\n", "\n")


def _refused(name: str) -> Any:
    raise ValueError(name)
