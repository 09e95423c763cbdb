"""The keywords of JSON Schema 2020-12, which are compiled, only describe, or are refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

ONE_SCHEMA = (
    *("items", "contains", "additionalProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems"),
    *("not", "if", "then", "else"),
)
"""Keywords whose value is a schema."""
SCHEMAS_IN_ORDER = ("prefixItems", "allOf", "anyOf", "oneOf")
"""Keywords whose value is an array of schemas."""
SCHEMAS_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs")
"""Keywords whose value is an object of schemas."""

CLAIMED = (
    *("$ref", "$defs", "$anchor", "type", "enum", "const"),
    *("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *("maxLength", "minLength", "pattern"),
    *("maxItems", "minItems", "uniqueItems", "prefixItems", "items", "contains", "maxContains", "minContains"),
    *("maxProperties", "minProperties", "required", "dependentRequired", "properties", "patternProperties"),
    *("additionalProperties", "propertyNames", "dependentSchemas", "allOf", "anyOf", "oneOf", "not"),
    *("if", "then", "else", "unevaluatedItems", "unevaluatedProperties"),
)
"""Keywords that are compiled."""
DESCRIBING = (
    *("$schema", "$id", "$comment", "title", "description", "default", "deprecated", "readOnly", "writeOnly"),
    *("examples", "format", "contentEncoding", "contentMediaType", "contentSchema"),
)
"""Keywords that only describe, and never refuse a value."""
REFUSED = {
    "$dynamicRef": "what it refers to depends on the path to it; use $ref",
    "$dynamicAnchor": "what refers to it depends on the path; use $anchor",
    "$vocabulary": "only the vocabularies of 2020-12 are known",
    "$recursiveRef": "it is of an older draft; use $ref",
    "$recursiveAnchor": "it is of an older draft; use $anchor",
    "definitions": "it is of an older draft; use $defs",
    "dependencies": "it is of an older draft; use dependentRequired or dependentSchemas",
    "additionalItems": "it is of an older draft; use items beside prefixItems",
    "id": "it is of an older draft; use $id, at the root",
    "nullable": 'it is of OpenAPI 3.0; use "type": ["string", "null"]',
    "discriminator": "it is of OpenAPI; use oneOf with a const in each branch",
    "example": "it is of OpenAPI; use examples",
}
"""Known keywords that are an error, and why."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def complaint(keyword: str) -> str | None:
    """Return why a keyword is refused, or None."""
    if keyword in CLAIMED or keyword in DESCRIBING or keyword.startswith("x-"):
        return None
    if keyword in REFUSED:
        return f"{keyword} is not supported: {REFUSED[keyword]}"
    nearest = difflib.get_close_matches(keyword, [*CLAIMED, *DESCRIBING], 1, 0.6)
    lowered = {each.lower(): each for each in (*CLAIMED, *DESCRIBING)}
    right = lowered.get(keyword.lower()) or (nearest[0] if nearest else None)
    shown = keyword if len(keyword) <= 80 else keyword[:77] + "..."  # noqa: PLR2004
    return f"{shown!r} is no keyword" + (
        f"; did you mean {right!r}?" if right else "; names of your own start with x-"
    )


def subschemas(schema: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the schemas directly within a schema, each with the steps to it. Malformed schemas are skipped."""
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        if keyword in ONE_SCHEMA:
            yield (keyword,), value
        elif keyword in SCHEMAS_IN_ORDER and isinstance(value, list):
            for index, each in enumerate(value):
                yield (keyword, str(index)), each
        elif keyword in SCHEMAS_BY_NAME and isinstance(value, dict):
            for name, each in value.items():
                yield (keyword, name), each
