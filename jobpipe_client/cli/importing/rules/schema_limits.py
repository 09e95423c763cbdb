"""The limits of numbers and sizes in a schema, with the service's messages, and the unchecked keywords."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from typing import Any

from jobpipe_client.catalogue import Schema

_EXACT = Context(prec=2000, Emin=-10_000, Emax=10_000)
_SIZES = (
    (str, "Length", "The text", "character"),
    (list, "Items", "The array", "element"),
    (dict, "Properties", "The object", "member"),
)
_NOT_CHECKED = (
    *("pattern", "uniqueItems", "contains", "minContains", "maxContains"),
    *("dependentRequired", "patternProperties", "propertyNames", "dependentSchemas", "anyOf", "oneOf", "not", "if"),
    *("unevaluatedItems", "unevaluatedProperties"),
)


def limit_violations(schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    """Yield a message for each limit of the schema that the value violates."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        yield from _number_violations(schema, _to_decimal(value))
    for kind, suffix, subject, unit in _SIZES:
        if not isinstance(value, kind):
            continue
        minimum, maximum = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
        if minimum is not None and len(value) < minimum:
            yield f"{subject} must have at least {_count(minimum, unit)}."
        if maximum is not None and len(value) > maximum:
            yield f"{subject} must have at most {_count(maximum, unit)}."


def unchecked_keywords(schema: Schema) -> list[str]:
    """Return the keywords that the schema uses but a dry run does not check, without repetitions."""
    found = set(_keywords(schema))
    return [each for each in _NOT_CHECKED if each in found]


def _number_violations(schema: Mapping[str, Any], value: Decimal) -> Iterator[str]:
    for keyword, words, is_beyond in (
        ("minimum", "at least", Decimal.__lt__),
        ("exclusiveMinimum", "greater than", Decimal.__le__),
        ("maximum", "at most", Decimal.__gt__),
        ("exclusiveMaximum", "less than", Decimal.__ge__),
    ):
        if keyword in schema and is_beyond(value, _to_decimal(schema[keyword])):
            yield f"The value must be {words} {schema[keyword]}."
    factor = schema.get("multipleOf")
    if factor is not None and _EXACT.remainder(value, _to_decimal(factor)):
        yield f"The value must be a multiple of {factor}."


def _to_decimal(number: float | Decimal) -> Decimal:
    """Return the number as it is written; a float has its shortest decimal form."""
    return number if isinstance(number, Decimal) else Decimal(repr(number))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _keywords(schema: Schema) -> Iterator[str]:
    """Yield the keywords of a schema and its nested schemas, except below keywords that are not checked."""
    if not isinstance(schema, Mapping):
        return
    yield from schema
    for keyword in ("properties", "$defs"):
        for each in (schema.get(keyword) or {}).values():
            yield from _keywords(each)
    for keyword in ("prefixItems", "allOf"):
        for each in schema.get(keyword) or ():
            yield from _keywords(each)
    for keyword in ("items", "additionalProperties"):
        yield from _keywords(schema.get(keyword, True))
