"""The limits of numbers and sizes in a schema, with the service's messages, and what a dry run does not check."""

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


def beyond_limits(schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    """Yield which limits of the schema the value exceeds."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        yield from _of_number(schema, _exact(value))
    for kind, suffix, subject, unit in _SIZES:
        if not isinstance(value, kind):
            continue
        least, most = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
        if least is not None and len(value) < least:
            yield f"{subject} must have at least {_count(least, unit)}."
        if most is not None and len(value) > most:
            yield f"{subject} must have at most {_count(most, unit)}."


def not_checked(schema: Schema) -> list[str]:
    """Return the keywords that the schema uses and a dry run does not check, without repetitions."""
    found = set(_keywords(schema))
    return [each for each in _NOT_CHECKED if each in found]


def _of_number(schema: Mapping[str, Any], value: Decimal) -> Iterator[str]:
    for keyword, words, is_beyond in (
        ("minimum", "at least", Decimal.__lt__),
        ("exclusiveMinimum", "greater than", Decimal.__le__),
        ("maximum", "at most", Decimal.__gt__),
        ("exclusiveMaximum", "less than", Decimal.__ge__),
    ):
        if keyword in schema and is_beyond(value, _exact(schema[keyword])):
            yield f"The value must be {words} {schema[keyword]}."
    of = schema.get("multipleOf")
    if of is not None and _EXACT.remainder(value, _exact(of)):
        yield f"The value must be a multiple of {of}."


def _exact(number: float | Decimal) -> Decimal:
    """Return the number as it is written: a float stands for its shortest decimal form."""
    return number if isinstance(number, Decimal) else Decimal(repr(number))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _keywords(schema: Schema) -> Iterator[str]:
    """Yield the keywords of a schema and of the schemas within, except below those that are not checked."""
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
