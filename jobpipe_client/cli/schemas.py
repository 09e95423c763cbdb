"""What the command line reads from the schema of a collection: its fields and the kinds of their values.

A kind is how a cell or an argument is read: text, number, boolean or json. A field that may be text is read as
text, so that "001" stays "001", unless a header mark, an option or NAME:=JSON names another kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.catalogue import CollectionInfo, Schema

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_BOOLEANS = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
ALL_TYPES = frozenset({"null", "boolean", "number", "string", "array", "object"})
ONLY_TEXT = frozenset({"string"})
_MAX_DEPTH = 30  # of nested schemas for one value, since references may form a cycle


def is_number(text: str) -> bool:
    """Return whether the text is a JSON number."""
    return _NUMBER.fullmatch(text) is not None


def _number(text: str) -> Any:
    if not is_number(text.strip()):
        raise ValueError(f"{text[:50]!r} is not a number")
    return json_text.decode(text.strip())  # ValueError if the number is too large for Decimal or int


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{text[:50]!r} is neither true nor false") from None


READERS: dict[str, Callable[[str], Any]] = {
    "text": str,
    "number": _number,
    "boolean": _boolean,
    "json": json_text.decode_strictly,
}
"""The reader of each kind. It raises ValueError if the text is not of this kind."""


def kind_of(types: frozenset[str]) -> str:
    """Return the kind of the values of these types."""
    if "string" in types:
        return "text"
    types -= {"null"}
    return {frozenset({"number"}): "number", frozenset({"boolean"}): "boolean"}.get(types, "json")


def types_of(info: CollectionInfo, schemas: Mapping[str, Schema]) -> dict[str, frozenset[str]]:
    """Return the JSON types that each of the schemas allows."""
    return {name: _types(info, schema) for name, schema in schemas.items()}


def kinds_of(info: CollectionInfo) -> dict[str, str]:
    """Return the kinds of the fields that a document may have, in the order of the schema."""
    return {name: kind_of(types) for name, types in types_of(info, fields_of(info)).items()}


def is_only_text(info: CollectionInfo, schema: Schema) -> bool:
    """Return whether the schema allows only strings."""
    return _types(info, schema) == ONLY_TEXT


def identifying_fields(info: CollectionInfo) -> list[str]:
    """Return the fields whose values must differ between documents: the key and the unique fields."""
    return list(dict.fromkeys([*([] if info.key is None else [info.key]), *info.unique]))


def look_up_fields(info: CollectionInfo) -> list[str]:
    """Return the fields by which documents can be looked up: the identifying and the indexed fields."""
    return list(dict.fromkeys([*identifying_fields(info), *info.indexes]))


def fields_of(info: CollectionInfo) -> dict[str, Schema]:
    """Return the schemas of the fields that a document may have, in the order of the schema."""
    found: dict[str, Schema] = {}
    others: dict[str, list[Schema]] = {}
    for part in _applicable_schemas(info, info.schema):
        for name, schema in _object(part.get("properties")).items():
            found.setdefault(str(name), schema)
        for alternative in _alternatives(part):
            for within in _applicable_schemas(info, alternative):
                for name, schema in _object(within.get("properties")).items():
                    others.setdefault(str(name), []).append(schema)
    return {**{name: {"anyOf": schemas} for name, schemas in others.items() if name not in found}, **found}


def required_of(info: CollectionInfo) -> tuple[str, ...]:
    """Return the fields that every document needs, the key first."""
    named = [str(name) for part in _applicable_schemas(info, info.schema) for name in part.get("required") or ()]
    return tuple(dict.fromkeys([*([] if info.key is None else [info.key]), *named]))


def is_closed(info: CollectionInfo) -> bool:
    """Return whether a document can have only the fields of `fields_of`."""
    parts = list(_applicable_schemas(info, info.schema))
    refuses = any(
        part.get(keyword) is False
        for part in parts
        for keyword in ("additionalProperties", "unevaluatedProperties")
    )
    return refuses and not any(part.get("patternProperties") for part in parts)


def _types(info: CollectionInfo, schema: Schema, depth: int = 0) -> frozenset[str]:
    if schema is False:
        return frozenset()
    found = ALL_TYPES
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return found
    if "type" in schema:
        named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        found &= {"number" if each == "integer" else each for each in named}
    if "const" in schema:
        found &= {type_of(schema["const"])}
    if isinstance(schema.get("enum"), list):
        found &= set(map(type_of, schema["enum"]))
    if "$ref" in schema:
        found &= _types(info, info.resolved(schema), depth + 1)
    for part in schema.get("allOf") or ():
        found &= _types(info, part, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            found &= frozenset().union(*(_types(info, each, depth + 1) for each in schema[keyword]))
    return found


def type_of(value: object) -> str:
    """Return the type of a JSON value."""
    if isinstance(value, bool):
        return "boolean"
    names = ((str, "string"), (list, "array"), (dict, "object"), (type(None), "null"))
    return next((name for kind, name in names if isinstance(value, kind)), "number")


def _applicable_schemas(info: CollectionInfo, schema: Schema, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield all schemas that apply to one value: the schema, its reference, and its `allOf`."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return
    yield schema
    if "$ref" in schema:
        yield from _applicable_schemas(info, info.resolved(schema), depth + 1)
    for part in schema.get("allOf") or ():
        yield from _applicable_schemas(info, part, depth + 1)


def _alternatives(schema: Mapping[str, Any]) -> Iterator[Schema]:
    for keyword in ("anyOf", "oneOf"):
        yield from schema.get(keyword) or ()
    for keyword in ("then", "else"):
        if keyword in schema:
            yield schema[keyword]
    yield from _object(schema.get("dependentSchemas")).values()


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
