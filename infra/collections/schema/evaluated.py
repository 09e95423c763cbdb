"""Writes code that finds the evaluated members or elements, for unevaluatedProperties and unevaluatedItems."""

from __future__ import annotations

from infra.collections.schema.generator import Generator
from infra.collections.schema.module_source import Body

_OWN = {
    "members": ("properties", "patternProperties", "additionalProperties", "unevaluatedProperties"),
    "elements": ("prefixItems", "items", "contains", "unevaluatedItems"),
}


def members_table(generator: Generator, pointer: str) -> str:
    """Return the name of the table of checks by member name."""
    name, new = generator.named("members_table", pointer, "members")
    if new:
        entries = []
        for each in generator.schema(pointer)["properties"]:
            child = generator.child(pointer, "properties", each)
            entries.append(f"    {each!a}: {generator.reference(child)},")
        generator.source.tables.append("\n".join([f"{name} = {{", *entries, "}"]))
    return name


def evaluated(generator: Generator, kind: str, pointer: str) -> str:
    """Return an expression for what a schema, without its own unevaluated… keyword, has evaluated in the value."""
    return f"{_function(generator, kind, pointer, own_rest=False)}(value, known)"


def _contributes(generator: Generator, kind: str, pointer: str) -> bool:
    waiting, seen = [pointer], {pointer}
    while waiting:
        here = waiting.pop()
        schema = generator.schema(here)
        if not isinstance(schema, dict):
            continue
        if any(each in schema for each in _OWN[kind]):
            return True
        found = {child for _, _, child in _same_value(generator, here)} - seen
        seen |= found
        waiting.extend(found)
    return False


def _same_value(generator: Generator, pointer: str) -> list[tuple[str, str, str]]:
    """Return the keyword, name and pointer of each schema for the same value whose success counts."""
    document = generator.document
    found = [
        (steps[0], steps[-1], child)
        for steps, child in document.children[pointer]
        if steps[0] in ("allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas")
    ]
    if "$ref" in generator.schema(pointer):
        found.append(("$ref", "", document.target(pointer)))
    return found


def _function(generator: Generator, kind: str, pointer: str, *, own_rest: bool) -> str:
    """Return the name of the function that returns a set of names or indexes."""
    name, new = generator.named(f"{kind} {own_rest}", pointer, f"evaluated_{kind}")
    if new:
        body = Body()
        write = _write_members if kind == "members" else _write_elements
        if not write(generator, pointer, body, own_rest=own_rest):
            _write_same_value(generator, kind, pointer, body)
            body.line("return seen")
        generator.add_function(name, "value, known", pointer, body)
    return name


def _write_members(generator: Generator, pointer: str, body: Body, *, own_rest: bool) -> bool:
    """Write what the schema's own keywords evaluate; return whether that is everything."""
    schema = generator.schema(pointer)
    with body.block("if not isinstance(value, dict):"):
        body.line("return set()")
    if "additionalProperties" in schema or (own_rest and "unevaluatedProperties" in schema):
        body.line("return set(value)")
        return True
    body.line("seen = set()")
    if schema.get("properties"):
        body.line(f"seen.update([name for name in value if name in {members_table(generator, pointer)}])")
    for pattern in schema.get("patternProperties", ()):
        place = generator.child(pointer, "patternProperties", pattern)
        test = generator.source.matches(pattern, "name", generator.document.place, place)
        body.line(f"seen.update([name for name in value if {test}])")
    return False


def _write_elements(generator: Generator, pointer: str, body: Body, *, own_rest: bool) -> bool:
    schema = generator.schema(pointer)
    with body.block("if not isinstance(value, list):"):
        body.line("return set()")
    if "items" in schema or (own_rest and "unevaluatedItems" in schema):
        body.line("return set(range(len(value)))")
        return True
    body.line(f"seen = set(range({len(schema.get('prefixItems', ()))}))")
    if "contains" in schema:
        test = generator.test(generator.child(pointer, "contains"), "element")
        body.line(f"seen.update([index for index, element in enumerate(value) if {test}])")
    return False


def _write_same_value(generator: Generator, kind: str, pointer: str, body: Body) -> None:
    schema = generator.schema(pointer)
    for keyword, name, child in _same_value(generator, pointer):
        if not _contributes(generator, kind, child) or (keyword in ("then", "else") and "if" not in schema):
            continue
        condition = ""
        if keyword in ("anyOf", "oneOf", "if"):
            condition = f"if {generator.test(child)}:"
        elif keyword in ("then", "else"):
            negation = "not " if keyword == "else" else ""
            condition = f"if {negation}{generator.test(generator.child(pointer, 'if'))}:"
        elif keyword == "dependentSchemas":
            condition = f"if isinstance(value, dict) and {name!a} in value:"
        with body.block(condition):
            body.line(f"seen.update({_function(generator, kind, child, own_rest=True)}(value, known))")
