"""Merges two schemas for the generator, as for allOf, $ref and the branches of oneOf."""

from collections.abc import Callable
from typing import Any


def both(one: Any, other: Any) -> Any:
    """Return a schema that approximately accepts the values that both schemas accept."""
    if one is False or other is False:
        return False
    if not isinstance(one, dict) or not one:
        return other if isinstance(other, dict) else one
    if not isinstance(other, dict):
        return one
    merged = {**one, **other}
    for name in one.keys() & other.keys():
        merged[name] = _conjunction(name, one[name], other[name])
    return merged


def _conjunction(name: str, mine: Any, theirs: Any) -> Any:
    for names, combine in _COMBINED.items():
        if name in names:
            return combine(mine, theirs)
    return theirs


def _members(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    return {**mine, **{each: both(mine.get(each, True), schema) for each, schema in theirs.items()}}


def _types(mine: Any, theirs: Any) -> list[str]:
    left, right = ([each] if isinstance(each, str) else each for each in (mine, theirs))
    return [each for each in left if each in right or (each == "integer" and "number" in right)] or right


_COMBINED: dict[tuple[str, ...], Callable[[Any, Any], Any]] = {
    ("properties", "$defs", "patternProperties"): _members,
    ("required",): lambda mine, theirs: [*mine, *(each for each in theirs if each not in mine)],
    ("items", "additionalProperties", "propertyNames", "contains"): both,
    ("enum",): lambda mine, theirs: [each for each in mine if each in theirs],
    ("minimum", "minLength", "minItems", "exclusiveMinimum", "minProperties"): max,
    ("maximum", "maxLength", "maxItems", "exclusiveMaximum", "maxProperties"): min,
    ("type",): _types,
    ("oneOf", "anyOf"): lambda mine, theirs: [both(left, right) for left in mine for right in theirs],
}
