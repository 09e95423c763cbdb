"""Writes the function of a schema, with the checks of types, values, numbers and strings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from infra.collections.schema import helpers, sentences
from infra.collections.schema.arrays import write_array
from infra.collections.schema.branches import write_branches
from infra.collections.schema.generator import Generator
from infra.collections.schema.module_source import Body, ModuleSource
from infra.collections.schema.objects import write_object
from infra.collections.schema.sizes import write_size_limits
from infra.collections.schema.type_tests import expression
from infra.collections.schema.types_allowed import ALL, Types, of_keyword

_NUMBERS: Types = frozenset({"integer", "fraction"})
_EXACT_IN_FLOATS = 2**53
_MOST_COMPARED = 8
"""The maximum number of strings of an enum that are compared one by one."""
_COMPARISONS = (
    ("minimum", "<", "at least"),
    ("exclusiveMinimum", "<=", "greater than"),
    ("maximum", ">", "at most"),
    ("exclusiveMaximum", ">=", "less than"),
)
_OF_NUMBERS = (*(keyword for keyword, _, _ in _COMPARISONS), "multipleOf")
_OF_STRINGS = ("minLength", "maxLength", "pattern")
_OF_ARRAYS = (
    *("minItems", "maxItems", "uniqueItems", "prefixItems", "items"),
    *("contains", "minContains", "maxContains", "unevaluatedItems"),
)
_OF_OBJECTS = (
    *("minProperties", "maxProperties", "required", "dependentRequired", "properties", "patternProperties"),
    *("additionalProperties", "propertyNames", "dependentSchemas", "unevaluatedProperties"),
)


def write_function(generator: Generator, pointer: str) -> None:
    """Add the function of a schema that is an object."""
    schema = generator.schema(pointer)
    body = Body()
    types = _write_types(generator, schema, body)
    _write_values(generator, schema, body)
    write_branches(generator, pointer, body)
    for group, keywords, write in (
        (_NUMBERS, _OF_NUMBERS, _write_numbers),
        (frozenset({"string"}), _OF_STRINGS, _write_strings),
        (frozenset({"array"}), _OF_ARRAYS, write_array),
        (frozenset({"object"}), _OF_OBJECTS, write_object),
    ):
        if types & group and any(each in schema for each in keywords):
            inner = Body()
            write(generator, pointer, inner)
            if inner.lines:
                with body.block("" if types <= group else f"if {expression(generator.source, group)}:"):
                    for line in inner.lines:
                        body.line(line[4:])
    generator.add_function(generator.check(pointer), "value, path, add, known", pointer, body)


def _write_types(generator: Generator, schema: dict[str, Any], body: Body) -> Types:
    if "type" not in schema:
        return ALL
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    types = of_keyword(names)
    if types != ALL:
        with body.block(f"if not {expression(generator.source, types)}:"):
            body.line(f"add({sentences.of_types(names)!a}, path)")
            body.line("return")
    return types


def _write_values(generator: Generator, schema: dict[str, Any], body: Body) -> None:
    for values in (schema.get("enum"), [schema["const"]] if "const" in schema else None):
        if values is None:
            continue
        with body.block(f"if {_differs(generator.source, values)}:"):
            body.line(f"add({sentences.of_values(values)!a}, path)")


def _differs(source: ModuleSource, values: list[Any]) -> str:
    """Return an expression that is true if the value equals none of these."""
    if all(isinstance(each, str) or each is None for each in values):
        if len(values) == 1:
            return "value is not None" if values[0] is None else f"value != {values[0]!a}"
        if len(values) <= _MOST_COMPARED:
            return f"value not in {tuple(values)!a}"
        names = source.table("values", f"frozenset({tuple(each for each in values if each is not None)!a})")
        others = " or value is None" if None in values else ""
        return f"not (isinstance(value, str) and value in {names}{others})"
    texts = sorted({helpers.canonical(each) for each in values})
    canonical = source.use("canonical")
    if len(texts) == 1:
        different = f"{canonical}(value, known) != {texts[0]!a}"
    else:
        different = f"{canonical}(value, known) not in {source.table('values', f'frozenset({tuple(texts)!a})')}"
    if not any(isinstance(each, list | dict) for each in values):
        return f"isinstance(value, (dict, list)) or {different}"
    return different


def _write_numbers(generator: Generator, pointer: str, body: Body) -> None:
    schema, source = generator.schema(pointer), generator.source
    for keyword, operator, words in _COMPARISONS:
        if keyword in schema:
            limit = schema[keyword]
            value = "value"
            if not isinstance(limit, int) or abs(limit) > _EXACT_IN_FLOATS:
                value = f"{source.use('exact')}(value)"
            with body.block(f"if {value} {operator} {source.number(limit)}:"):
                body.line(f"add({f'The value must be {words} {limit}.'!a}, path)")
    if "multipleOf" in schema:
        of: int | Decimal = schema["multipleOf"]
        with body.block(f"if not {source.use('is_multiple')}(value, {source.number(of)}):"):
            body.line(f"add({f'The value must be a multiple of {of}.'!a}, path)")


def _write_strings(generator: Generator, pointer: str, body: Body) -> None:
    schema = generator.schema(pointer)
    write_size_limits(schema, "Length", "The text", "character", body)
    if "pattern" in schema:
        pattern = schema["pattern"]
        test = generator.source.matches(pattern, "value", generator.document.place, pointer + "/pattern")
        with body.block(f"if not {test}:"):
            body.line(f"add({f'The text must match the pattern {sentences.text(pattern)}.'!a}, path)")
