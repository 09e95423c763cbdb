"""The sentences of violations."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

_MOST_SHOWN = 60  # characters of a value
_MOST_VALUES = 12
_TYPES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "object": "an object",
    "array": "an array",
    "boolean": "true or false",
    "null": "null",
}


def of_types(types: list[str]) -> str:
    """Return the sentence for a value of another type."""
    *others, last = [_TYPES[each] for each in types]
    return f"The value must be {', '.join(others) + ' or ' if others else ''}{last}."


def of_values(values: list[Any]) -> str:
    """Return the sentence for a value that does not equal any of these."""
    named = [value(each) for each in values[:_MOST_VALUES]]
    if not values:
        return "No value is allowed here."
    if len(values) == 1:
        return f"The value must be {named[0]}."
    rest = f" or {len(values) - _MOST_VALUES} others" if len(values) > _MOST_VALUES else ""
    return f"The value must be one of {', '.join(named)}{rest}."


def value(this: Any) -> str:
    """Return a value of the schema as JSON, shortened."""
    return text(_json(this))


def _json(this: Any) -> str:
    if isinstance(this, Decimal):
        return str(this)
    if isinstance(this, dict):
        return "{" + ", ".join(f"{_json(name)}: {_json(each)}" for name, each in this.items()) + "}"
    if isinstance(this, list):
        return "[" + ", ".join(map(_json, this)) + "]"
    return json.dumps(this, ensure_ascii=False)


def name(of: str) -> str:
    """Return the name of a member, marked as a name."""
    return f"`{text(of)}`"


def count(number: int, thing: str) -> str:
    """Return a number with its unit."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def text(of: str) -> str:
    """Return a text of the schema, shortened."""
    return of if len(of) <= _MOST_SHOWN else of[: _MOST_SHOWN - 3] + "..."
