"""Writes the keywords that apply further schemas to the same value."""

from __future__ import annotations

from typing import Any

from infra.collections.schema import helpers, sentences
from infra.collections.schema.generator import Generator
from infra.collections.schema.module_source import Body
from infra.collections.schema.type_tests import expression
from infra.collections.schema.types_allowed import ALL, possible_types

_MOST_FOLLOWED = 10


def write_branches(generator: Generator, pointer: str, body: Body) -> None:
    """Write $ref, allOf, anyOf, oneOf, not and if."""
    schema = generator.schema(pointer)
    if "$ref" in schema and not generator.is_trivial(target := generator.document.target(pointer)):
        body.line(generator.call(target))
    for index in range(len(schema.get("allOf", ()))):
        if not generator.is_trivial(branch := generator.child(pointer, "allOf", str(index))):
            body.line(generator.call(branch))
    if "anyOf" in schema:
        _write_any_of(generator, pointer, body)
    if "oneOf" in schema:
        _write_one_of(generator, pointer, body)
    if "not" in schema:
        with body.block(f"if {generator.test(generator.child(pointer, 'not'))}:"):
            body.line("add('The value must not be what `not` describes.', path)")
    if "if" in schema:
        _write_condition(generator, pointer, body)


def _write_condition(generator: Generator, pointer: str, body: Body) -> None:
    schema = generator.schema(pointer)
    branches = {
        keyword: child
        for keyword in ("then", "else")
        if keyword in schema and not generator.is_trivial(child := generator.child(pointer, keyword))
    }
    test = generator.test(generator.child(pointer, "if")) if branches else ""
    if "then" in branches:
        with body.block(f"if {test}:"):
            body.line(generator.call(branches["then"]))
    if "else" in branches:
        with body.block("else:" if "then" in branches else f"if not {test}:"):
            body.line(generator.call(branches["else"]))


def _write_any_of(generator: Generator, pointer: str, body: Body) -> None:
    branches = _branches(generator, pointer, "anyOf")
    tests = " or ".join(generator.test(each) for each in branches)
    with body.block(f"if not ({tests}):"):
        _write_none_fits(generator, branches, body)


def _write_one_of(generator: Generator, pointer: str, body: Body) -> None:
    branches = _branches(generator, pointer, "oneOf")
    body.line(f"number = {' + '.join(generator.test(each) for each in branches)}")
    with body.block("if number == 0:"):
        _write_none_fits(generator, branches, body)
    if len(branches) > 1:
        with body.block("elif number > 1:"):
            body.line(
                f'add(f"The value fits {{number}} of {len(branches)} alternatives; it must fit exactly one.", path)'
            )


def _branches(generator: Generator, pointer: str, keyword: str) -> list[str]:
    return [generator.child(pointer, keyword, str(n)) for n in range(len(generator.schema(pointer)[keyword]))]


def _write_none_fits(generator: Generator, branches: list[str], body: Body) -> None:
    """Write the violations of the intended branch, if types and fixed members identify it."""
    titles = [_title(generator, each) for each in branches]
    if all(titles):
        sentence = f"The value must be one of: {', '.join(filter(None, titles))}."
    else:
        sentence = f"The value fits none of {len(branches)} alternatives."
    if len(branches) == 1:
        body.line(generator.call(branches[0]))
        return
    rows = []
    for each in branches:
        types = possible_types(generator.document, each)
        fixed = _fixed_members(generator, each)
        rows.append((each, types, fixed))
    if all(types == ALL and not fixed for _, types, fixed in rows):
        body.line(f"add({sentence!a}, path)")
        return
    entries = []
    for each, types, fixed in rows:
        test = "True" if types == ALL else expression(generator.source, types)
        values = "".join(f"({name!a}, {required}, {texts!a}), " for name, required, texts in fixed)
        entries.append(f"    ({generator.reference(each)}, lambda value: {test}, ({values})),")
    table = generator.source.table("branches", "\n".join(["(", *entries, ")"]))
    body.line(f"branch = {generator.source.use('likely')}(value, {table}, known)")
    with body.block("if branch is None:"):
        body.line(f"add({sentence!a}, path)")
    with body.block("else:"):
        body.line("branch(value, path, add, known)")


def _title(generator: Generator, pointer: str) -> str | None:
    for _ in range(_MOST_FOLLOWED):
        schema = generator.schema(pointer)
        if not isinstance(schema, dict):
            return None
        if schema.get("title"):
            return sentences.text(str(schema["title"]))
        if "$ref" not in schema:
            return None
        pointer = generator.document.target(pointer)
    return None


def _fixed_members(generator: Generator, pointer: str) -> list[tuple[str, bool, tuple[str, ...]]]:
    """Return the members that a branch fixes by const or enum: the name, whether it is required, the values."""
    found: list[tuple[str, bool, tuple[str, ...]]] = []
    for _ in range(_MOST_FOLLOWED):
        schema = generator.schema(pointer)
        if not isinstance(schema, dict):
            break
        for name, member in schema.get("properties", {}).items():
            values: list[Any] | None = None
            if isinstance(member, dict):
                values = [member["const"]] if "const" in member else member.get("enum")
            if values is not None:
                texts = tuple(sorted({helpers.canonical(each) for each in values}))
                found.append((name, name in schema.get("required", ()), texts))
        if "$ref" not in schema:
            break
        pointer = generator.document.target(pointer)
    return found
