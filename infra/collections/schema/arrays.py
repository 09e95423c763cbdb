"""Writes the checks of a schema's keywords for arrays."""

from __future__ import annotations

from infra.collections.schema import sentences
from infra.collections.schema.evaluated import evaluated
from infra.collections.schema.generator import Generator
from infra.collections.schema.module_source import Body
from infra.collections.schema.sizes import write_size_limits


def write_array(generator: Generator, pointer: str, body: Body) -> None:
    """Write the checks of a list."""
    schema = generator.schema(pointer)
    write_size_limits(schema, "Items", "The array", "element", body)
    if schema.get("uniqueItems"):
        body.line(f"equal = {generator.source.use('repeated')}(value, known)")
        with body.block("if equal is not None:"):
            body.line('add(f"The elements must differ; elements {equal[0]} and {equal[1]} are equal.", path)')
    _write_elements(generator, pointer, body)
    if "contains" in schema:
        _write_contains(generator, pointer, body)
    if "unevaluatedItems" in schema and not generator.is_trivial(
        rest := generator.child(pointer, "unevaluatedItems")
    ):
        body.line(f"seen = {evaluated(generator, 'elements', pointer)}")
        with body.block("for index, element in enumerate(value):"), body.block("if index not in seen:"):
            body.line(generator.call(rest, "element", "(*path, index)"))


def _write_elements(generator: Generator, pointer: str, body: Body) -> None:
    schema = generator.schema(pointer)
    first = [generator.child(pointer, "prefixItems", str(n)) for n in range(len(schema.get("prefixItems", ())))]
    for index, each in enumerate(first):
        if not generator.is_trivial(each):
            with body.block(f"if len(value) > {index}:"):
                body.line(generator.call(each, f"value[{index}]", f"(*path, {index})"))
    if "items" in schema and not generator.is_trivial(items := generator.child(pointer, "items")):
        elements = "enumerate(value)" if not first else f"enumerate(value[{len(first)}:], {len(first)})"
        with body.block(f"for index, element in {elements}:"):
            body.line(generator.call(items, "element", "(*path, index)"))


def _write_contains(generator: Generator, pointer: str, body: Body) -> None:
    schema = generator.schema(pointer)
    least, most = schema.get("minContains", 1), schema.get("maxContains")
    if not least and most is None:
        return
    test = generator.test(generator.child(pointer, "contains"), "element")
    body.line(f"number = sum([{test} for element in value])")
    for limit, operator, words in ((least, "<", "At least"), (most, ">", "At most")):
        if limit:
            needed = sentences.count(limit, "element") + " must be as `contains` says"
        else:
            needed = "No element may be as `contains` says" if limit == 0 and words == "At most" else ""
        if needed:
            with body.block(f"if number {operator} {limit}:"):
                body.line(f'add(f"{words + " " if limit else ""}{needed}; {{number}} are.", path)')
