"""What a model is asked, and how the question changes when its answer could not be used."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Question"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked. `tools` and `schema` exclude each other.

    >>> asked = Question(messages="Which way?", schema={"type": "object"})
    >>> asked.repaired("the answer is empty").messages[0]["content"].splitlines()[0]
    'Which way?'
    """

    messages: Any
    tools: Sequence[Mapping[str, Any]] = ()
    schema: Mapping[str, Any] | None = None

    @property
    def schema_name(self) -> str:
        """The name of the tool by which structured data is asked for."""
        title = str((self.schema or {}).get("title", ""))
        return re.sub(r"[^A-Za-z0-9_-]", "_", title)[:64] or "answer"

    def form(self) -> dict[str, Any]:
        """Return the tool by which structured data is asked for."""
        schema = self.schema or {}
        function = {
            "name": self.schema_name,
            "description": str(schema.get("description", "Give the answer in this form.")),
            "parameters": dict(schema),
        }
        return {"type": "function", "function": function}

    def response_format(self) -> dict[str, Any]:
        """Return the form in which OpenAI's protocol binds a whole answer to a schema."""
        schema = dict(self.schema or {})
        form = {"name": self.schema_name, "schema": schema, "strict": _is_strict(schema)}
        return {"type": "json_schema", "json_schema": form}

    def in_words(self) -> Question:
        """Return the question with the form of the answer in words, for a model without tools."""
        return self if self.schema is None else self._with(self._wanted())

    def repaired(self, wrong: str) -> Question:
        """Return the question with what was wrong with the answer, which itself is not repeated."""
        told = f"Your answer to this could not be used: {wrong}."
        if self.schema is not None:
            return self._with(f"{told} {self._wanted()}")
        return self._with(f"{told} Answer again, shorter and complete.")

    def _wanted(self) -> str:
        written = json.dumps(self.schema, ensure_ascii=False, separators=(",", ":"))
        return f"Answer with nothing but one JSON object that fits this JSON Schema: {written}"

    def _with(self, told: str) -> Question:
        """Return the question with an instruction at its end.

        It goes into the last message where that is the user's: some models take no two messages
        of one role in a row.
        """
        messages = self.messages
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        elif hasattr(messages, "to_messages"):
            messages = messages.to_messages()
        before, last = list(messages[:-1]), messages[-1] if messages else None
        if isinstance(last, Mapping) and last.get("role") == "user":
            said = last.get("content")
            if isinstance(said, str):
                end = {**last, "content": f"{said}\n\n{told}"}
                return replace(self, messages=[*before, end])
        return replace(self, messages=[*messages, {"role": "user", "content": told}])


def _is_strict(schema: Any) -> bool:
    """Tell whether every object names all its properties and requires them: OpenAI's strict form.

    Other schemas it refuses to bind strictly; servers of one's own bind any.
    """
    if isinstance(schema, Mapping):
        if schema.get("type") == "object":
            names = set(schema.get("properties", ()))
            if schema.get("additionalProperties") is not False:
                return False
            if names != set(schema.get("required", ())):
                return False
        return all(_is_strict(value) for value in schema.values())
    return not isinstance(schema, list) or all(_is_strict(value) for value in schema)
