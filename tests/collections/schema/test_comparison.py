"""Compiled schemas and the library jsonschema accept the same values."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from infra.errors import OperatorError
from jobpipe.domain.json_text import decode, encode
from tests.collections.schema.compiled import checker

NAMES = st.sampled_from(["a", "b", "c", "ab", "x-1"])
NUMBERS = st.one_of(st.integers(-4, 4), st.decimals(-2, 2, places=1), st.decimals(-2, 2, places=2))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(["", "a", "ab", "b1", "\u00e9", "aaa"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=8,
)
SIZES = st.integers(0, 3)
PATTERNS = st.sampled_from(["a", "^a+$", "^[ab]", "1$", "^.$", "a.*b", "^(a|ab)*$"])
TYPES = st.sampled_from(["null", "boolean", "object", "array", "number", "string", "integer"])


def keywords(inner: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    by_name = st.dictionaries(NAMES, inner, max_size=3)
    whole: dict[str, st.SearchStrategy[Any]] = {
        "type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=3, unique=True)),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "multipleOf": NUMBERS.filter(lambda number: number > 0),
        **dict.fromkeys(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], NUMBERS),
        **dict.fromkeys(
            ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"], SIZES
        ),
        "pattern": PATTERNS,
        "uniqueItems": st.booleans(),
        "prefixItems": several,
        **dict.fromkeys(["items", "contains", "additionalProperties", "propertyNames", "not"], inner),
        **dict.fromkeys(["if", "then", "else", "unevaluatedItems", "unevaluatedProperties"], inner),
        "minContains": SIZES,
        "maxContains": SIZES,
        "required": st.lists(NAMES, max_size=2, unique=True),
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
        "properties": by_name,
        "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
        "dependentSchemas": by_name,
        **dict.fromkeys(["allOf", "anyOf", "oneOf"], several),
        "$ref": st.sampled_from(["#/$defs/a", "#/$defs/b", "#c", "#"]),
    }

    def of_names(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({name: whole[name] for name in names})

    return st.lists(st.sampled_from(sorted(whole)), min_size=least, max_size=least + 3, unique=True).flatmap(
        of_names
    )


SCHEMAS = st.recursive(st.booleans(), keywords, max_leaves=6)
DOCUMENTS = st.builds(
    lambda root, a, b, c: {**root, "$defs": {"a": a, "b": b, "c": {**c, "$anchor": "c"}}},
    keywords(SCHEMAS, 3),
    SCHEMAS,
    SCHEMAS,
    keywords(SCHEMAS),
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(DOCUMENTS, st.lists(VALUES, min_size=4, max_size=8))
def test_the_same_values_are_accepted(schema: dict[str, Any], values: list[Any]) -> None:
    try:
        check = checker(schema)
    except OperatorError as error:
        assume(not re.search("refers to itself for the same value|more deeply", str(error)))
        raise
    library = Draft202012Validator(schema)
    for value in values:
        accepted = library.is_valid(value)
        found = check(value)
        assert (not found) is accepted, (schema, value, found)
        assert check(decode(encode(value))) == found, "floats, where they are exact, change nothing"
        for path, _ in found:
            part = value
            for step in path[:-1]:
                part = part[step]
