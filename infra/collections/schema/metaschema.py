"""Checks that a schema is valid, by the metaschema of 2020-12."""

from __future__ import annotations

from typing import Any

from infra.collections.schema.document import SchemaDocument
from infra.collections.schema.reading import normalize, refuse, shown, step
from infra.collections.schema.recursion import recursive_targets
from infra.errors import OperatorError


def check_is_schema(schema: Any, place: str) -> None:
    """Raise OperatorError, with file and place, if this is not a 2020-12 schema or has an unsupported keyword."""
    read_document(schema, place)


def read_document(schema: Any, place: str) -> SchemaDocument:
    """Return the schema with checked references; raise OperatorError if it is not a schema or not supported."""
    copy = normalize(schema, place)
    if not isinstance(copy, dict | bool):
        raise OperatorError(f"{place}: a schema must be an object, such as {{}}")
    document = SchemaDocument(copy, place)
    _check_by_metaschema(copy, place)
    document.check_references()
    document.recursive = recursive_targets(document)
    return document


def _check_by_metaschema(schema: Any, place: str) -> None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes a fifth of a second
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    error = best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
    if error is not None:
        pointer = "".join(step(str(each)) for each in error.absolute_path)
        if pointer.endswith("/type") and error.validator == "anyOf":
            names = "null, boolean, object, array, string, number and integer"
            refuse(place, pointer, f"{shown(repr(error.instance))} is no type; the types are {names}")
        refuse(place, pointer, f"this is no valid schema: {shown(error.message)}")
