"""The rules of a collection's schema that a dry run checks without a validator.

It checks type, enum, const, limits of numbers and sizes, required, properties, additionalProperties, items,
prefixItems, allOf and references. The service checks all keywords, so a row that passes here may still be refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.catalogue import CollectionInfo, Schema
from jobpipe_client.cli.collections import did_you_mean
from jobpipe_client.cli.importing.rules.item_rules import Path, Violation, pointer, storable_violations
from jobpipe_client.cli.importing.rules.schema_limits import limit_violations
from jobpipe_client.cli.schemas import look_up_fields

MAX_VALUE_LENGTH = 255  # characters in the value of a key, unique or indexed field
_MAX_DEPTH = 60  # of nested schemas
_ARTICLES = {"array": "an array", "integer": "an integer", "object": "an object", "null": "null"}


def document_violations(info: CollectionInfo, document: Mapping[str, Any], most: int) -> list[Violation]:
    """Return the known violations of a document, at most `most`."""
    general = list(islice(storable_violations(document), most))
    if "id" in document:
        general.append(Violation("#/id", "The id is assigned by the service and must not be in the body."))
    if general:
        return general[:most]  # the document may be nested too deeply for a check of the schema
    found = dict.fromkeys(_check(info, info.schema, document, None, 0))
    pointers = {each.pointer for each in found}
    found |= dict.fromkeys(each for each in _check_look_up_values(info, document) if each.pointer not in pointers)
    return list(found)[:most]


def value_of(document: Mapping[str, Any], name: str) -> str | None:
    """Return a text that identifies the value of a key or unique field, or None if there is no valid value."""
    value: Any = document.get(name)
    if isinstance(value, str):
        return f"s#{unicodedata.normalize('NFC', value)}"
    return f"i#{int(value)}" if _has_type(value, "integer") else None


def _check_look_up_values(info: CollectionInfo, document: Mapping[str, Any]) -> Iterator[Violation]:
    if info.key is not None and document.get(info.key) is None:
        yield Violation(pointer((None, info.key)), f"The document needs {info.key}, from which its id derives.")
    for name in look_up_fields(info):
        value = document.get(name)
        if value is None:
            continue
        at = pointer((None, name))
        if info.types.get(name) == "integer":
            if not _has_type(value, "integer"):
                yield Violation(at, "The value must be a whole number.")
        elif not isinstance(value, str):
            yield Violation(at, "The value must be a string.")
        elif not 1 <= len(value) <= MAX_VALUE_LENGTH:
            yield Violation(at, f"The value must have 1 to {MAX_VALUE_LENGTH} characters.")


def _check(info: CollectionInfo, schema: Schema, value: Any, path: Path, depth: int) -> Iterator[Violation]:
    if schema is False:
        yield Violation(pointer(path), "There must be no such value.")
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return
    if "$ref" in schema:
        yield from _check(info, info.resolved(schema), value, path, depth + 1)
    for part in schema.get("allOf") or ():
        yield from _check(info, part, value, path, depth + 1)
    wrong = _wrong_value(schema, value)
    if wrong is not None:
        yield Violation(pointer(path), wrong)
        return
    for why in limit_violations(schema, value):
        yield Violation(pointer(path), why)
    if isinstance(value, dict):
        yield from _check_members(info, schema, value, path, depth)
    elif isinstance(value, list):
        first = schema.get("prefixItems") or []
        for place, each in enumerate(value):
            item_schema = first[place] if place < len(first) else schema.get("items", True)
            yield from _check(info, item_schema, each, (path, place), depth + 1)


def _wrong_value(schema: Mapping[str, Any], value: Any) -> str | None:
    """Return why the schema does not allow the value as a whole, or None if it does."""
    types = schema.get("type")
    names = types if isinstance(types, list) else [] if types is None else [types]
    if names and not any(_has_type(value, name) for name in names):
        return f"The value must be {' or '.join(map(_with_article, names))}."
    if "const" in schema and not _are_equal(value, schema["const"]):
        return f"The value must be {_format_value(schema['const'])}."
    if isinstance(schema.get("enum"), list) and not any(_are_equal(value, each) for each in schema["enum"]):
        return f"The value must be one of {', '.join(map(_format_value, schema['enum']))}."
    return None


def _check_members(
    info: CollectionInfo, schema: Mapping[str, Any], value: dict[str, Any], path: Path, depth: int
) -> Iterator[Violation]:
    properties = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in value:
            yield Violation(pointer((path, name)), f"`{name}` is required.")
    others = True if schema.get("patternProperties") else schema.get("additionalProperties", True)
    for name, member in value.items():
        if name in properties:
            yield from _check(info, properties[name], member, (path, name), depth + 1)
        elif others is False:
            near = did_you_mean(name, properties)
            yield Violation(pointer((path, name)), f"There is no member {name[:80]!r}{near or '.'}")
        else:
            yield from _check(info, others, member, (path, name), depth + 1)


def _has_type(value: object, name: object) -> bool:
    if name in {"integer", "number"}:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return False
        return name == "number" or value == int(value)
    kinds: dict[object, type] = {
        "null": type(None), "boolean": bool, "string": str, "array": list, "object": dict
    }  # fmt: skip
    return name not in kinds or isinstance(value, kinds[name])


def _are_equal(value: Any, other: Any) -> bool:
    """Return whether two values are equal in JSON, where true is not 1, and 1 is 1.0."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_are_equal, value, other))
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(_are_equal(value[name], other[name]) for name in value)
    return bool(value == other)


def _with_article(name: object) -> str:
    return _ARTICLES.get(str(name), f"a {name}")


def _format_value(value: object) -> str:
    text = json_text.encode(value)
    return text if len(text) <= 50 else text[:47] + "..."  # noqa: PLR2004
