"""Finds the types of values that a schema can accept, as far as its keywords show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from infra.collections.schema.document import SchemaDocument
from infra.collections.schema.reading import step

Types = frozenset[str]

ALL: Types = frozenset({"null", "boolean", "object", "array", "string", "integer", "fraction"})
"""The JSON types, with separate types for numbers with and without a fraction."""
_MOST_FOLLOWED = 80  # nested schemas; a deeper schema counts as accepting everything
_LIMITS = (
    ("minimum", "maximum", frozenset({"integer", "fraction"})),
    ("minLength", "maxLength", frozenset({"string"})),
    ("minItems", "maxItems", frozenset({"array"})),
    ("minProperties", "maxProperties", frozenset({"object"})),
)


def of_keyword(value: str | list[str]) -> Types:
    """Return the types that a `type` names."""
    names = {value} if isinstance(value, str) else set(value)
    return frozenset(names - {"number"} | ({"integer", "fraction"} if "number" in names else set()))


def of_value(value: Any) -> str:
    """Return the type of a value in a schema."""
    if value is None:
        return "null"
    by_type = {bool: "boolean", dict: "object", list: "array", str: "string", int: "integer", Decimal: "fraction"}
    return by_type[type(value)]


def possible_types(document: SchemaDocument, pointer: str) -> Types:
    """Return the types of the values that the schema may accept. A schema that refuses everything has none."""
    if pointer not in document.types:
        document.types[pointer] = ALL  # for a schema that refers to itself
        document.open += 1
        if document.open <= _MOST_FOLLOWED:
            document.types[pointer] = _possible_types(document, pointer)
        document.open -= 1
    return document.types[pointer]


def _possible_types(document: SchemaDocument, pointer: str) -> Types:
    schema = document.schemas[pointer]
    if schema is False or (isinstance(schema, dict) and schema.get("not") in (True, {})):
        return frozenset()
    if schema is True:
        return ALL
    types = _of_values(schema)
    if "$ref" in schema:
        types &= possible_types(document, document.target(pointer))
    for each in _branches(document, pointer, possible_types):
        types &= each
    if "object" in types and any(
        _cannot_have(document, pointer, schema, name) for name in schema.get("required", ())
    ):
        types -= {"object"}
    return types


def _of_values(schema: dict[str, Any]) -> Types:
    """Return the types that a schema's own keywords allow."""
    types = of_keyword(schema["type"]) if "type" in schema else ALL
    if "enum" in schema:
        types &= {of_value(each) for each in schema["enum"]}
    if "const" in schema:
        types &= {of_value(schema["const"])}
    for least, most, limited in _LIMITS:
        if least in schema and most in schema and schema[least] > schema[most]:
            types -= limited
    if isinstance(schema.get("multipleOf"), int):
        types -= {"fraction"}
    return types


def _branches(
    document: SchemaDocument, pointer: str, types_of: Callable[[SchemaDocument, str], Types]
) -> Iterator[Types]:
    """Yield the sets of types that allOf (one for each schema), anyOf and oneOf allow."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        number = len(document.schemas[pointer].get(keyword, ()))
        found = [types_of(document, f"{pointer}/{keyword}/{n}") for n in range(number)]
        if keyword == "allOf":
            yield from found
        elif found:
            yield frozenset().union(*found)


def _cannot_have(document: SchemaDocument, pointer: str, schema: dict[str, Any], name: str) -> bool:
    if name in schema.get("properties", {}):
        return not possible_types(document, f"{pointer}/properties{step(name)}")
    return schema.get("additionalProperties") is False and not schema.get("patternProperties")


def field_type(document: SchemaDocument, field: str) -> Literal["string", "integer"] | None:
    """Return the only type, apart from null, that the schema allows for a field of an object, or None."""
    types = _field_types(document, "", field) - {"null"}
    if types == {"string"}:
        return "string"
    return "integer" if types == {"integer"} else None


def _field_types(document: SchemaDocument, pointer: str, field: str) -> Types:
    schema = document.schemas[pointer]
    types = ALL
    if not isinstance(schema, dict):
        return types
    if field in schema.get("properties", {}):
        types &= possible_types(document, f"{pointer}/properties{step(field)}")
    if "$ref" in schema:
        types &= _field_types(document, document.target(pointer), field)
    for each in _branches(document, pointer, partial(_field_types, field=field)):
        types &= each
    return types
