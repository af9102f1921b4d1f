"""What every part of a workspace's description is made of: names, durations, strictness."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Name", "Seconds", "Span", "Spec"]


def _name(value: str) -> str:
    if not value or not all(c.isascii() and (c.isalnum() or c in "_-") for c in value):
        raise ValueError("a name consists of ASCII letters, digits, '_' and '-'")
    return value


def _seconds(value: object) -> object:
    """Read `20s`, `500ms`, `2m`, `4h`, `3d`, or a number of seconds."""
    if isinstance(value, str):
        text = value.strip().lower()
        for suffix, factor in (
            ("ms", 0.001),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
            ("d", 86400.0),
        ):
            if text.endswith(suffix):
                try:
                    return float(text[: -len(suffix)]) * factor
                except ValueError:
                    break
        raise ValueError(f"{value!r} is no duration; write 500ms, 20s, 2m or 1h")
    return value


Name = Annotated[str, AfterValidator(_name)]
_Number = Annotated[float, Field(gt=0, le=86400)]
_Written = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$")]
Seconds = Annotated[_Number, BeforeValidator(_seconds, json_schema_input_type=_Number | _Written)]
_Long = Annotated[float, Field(gt=0, le=366 * 86400)]
Span = Annotated[_Long, BeforeValidator(_seconds, json_schema_input_type=_Long | _Written)]


class Spec(BaseModel):
    """A frozen part of the description; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
