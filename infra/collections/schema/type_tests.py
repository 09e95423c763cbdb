"""Writes expressions that test the type of a value."""

from __future__ import annotations

from infra.collections.schema.module_source import ModuleSource
from infra.collections.schema.types_allowed import Types


def expression(source: ModuleSource, types: Types) -> str:
    """Return an expression that is true for the values of some types, without `and`, `or` and `not` at its top."""
    tests = []
    if types >= {"integer", "fraction"}:
        tests.append(f"type(value) is int or {source.use('is_number')}(value)")
    elif "integer" in types:
        tests.append(f"type(value) is int or {source.use('is_integer')}(value)")
    elif "fraction" in types:
        tests.append(f"{source.use('is_number')}(value) and not {source.use('is_integer')}(value)")
    classes = [
        python
        for name, python in (("string", "str"), ("array", "list"), ("object", "dict"), ("boolean", "bool"))
        if name in types
    ]
    if classes:
        tests.append(f"isinstance(value, {classes[0] if len(classes) == 1 else '(' + ', '.join(classes) + ')'})")
    if "null" in types:
        tests.append("value is None")
    if not tests:
        return "False"
    text = " or ".join(tests)
    return f"({text})" if " or " in text or " and " in text or " is " in text else text
