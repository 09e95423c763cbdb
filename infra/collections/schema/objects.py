"""Writes the checks of a schema's keywords for objects."""

from __future__ import annotations

from infra.collections.schema import sentences
from infra.collections.schema.evaluated import evaluated, members_table
from infra.collections.schema.generator import Generator
from infra.collections.schema.module_source import Body
from infra.collections.schema.sizes import write_size_limits


def write_object(generator: Generator, pointer: str, body: Body) -> None:
    """Write the checks of a dict."""
    schema = generator.schema(pointer)
    write_size_limits(schema, "Properties", "The object", "member", body)
    for name in schema.get("required", ()):
        with body.block(f"if {name!a} not in value:"):
            body.line(f"add({f'{sentences.name(name)} is required.'!a}, (*path, {name!a}))")
    for name, others in schema.get("dependentRequired", {}).items():
        for other in others:
            with body.block(f"if {name!a} in value and {other!a} not in value:"):
                sentence = f"{sentences.name(other)} is required beside {sentences.name(name)}."
                body.line(f"add({sentence!a}, (*path, {other!a}))")
    for name in schema.get("dependentSchemas", {}):
        if not generator.is_trivial(dependent := generator.child(pointer, "dependentSchemas", name)):
            with body.block(f"if {name!a} in value:"):
                body.line(generator.call(dependent))
    _write_members(generator, pointer, body)
    if "unevaluatedProperties" in schema:
        rest = generator.child(pointer, "unevaluatedProperties")
        if not generator.is_trivial(rest):
            body.line(f"seen = {evaluated(generator, 'members', pointer)}")
            with body.block("for name, member in value.items():"), body.block("if name not in seen:"):
                body.line(generator.call(rest, "member", "(*path, name)"))


def _write_members(generator: Generator, pointer: str, body: Body) -> None:
    schema = generator.schema(pointer)
    names = schema.get("properties", {})
    patterns = [generator.child(pointer, "patternProperties", each) for each in schema.get("patternProperties", ())]
    rest = generator.child(pointer, "additionalProperties") if "additionalProperties" in schema else None
    rest = None if rest is not None and generator.is_trivial(rest) else rest
    if "propertyNames" in schema:
        _write_names(generator, generator.child(pointer, "propertyNames"), body)
    checked = [*[generator.child(pointer, "properties", name) for name in names], *patterns]
    tests = [
        generator.source.matches(pattern, "name", generator.document.place, place)
        for pattern, place in zip(schema.get("patternProperties", ()), patterns, strict=True)
    ]
    if rest is None and all(map(generator.is_trivial, checked)):
        return
    with body.block("for name, member in value.items():"):
        if names:
            body.line(f"check = {members_table(generator, pointer)}.get(name)")
            with body.block("if check is not None:"):
                body.line("check(member, (*path, name), add, known)")
        if patterns:
            _write_patterns(
                generator,
                dict(zip(patterns, tests, strict=True)),
                rest,
                "check is not None" if names else "False",
                body,
            )
        elif rest is not None:
            with body.block("else:" if names else ""):
                body.line(generator.call(rest, "member", "(*path, name)"))


def _write_patterns(generator: Generator, tests: dict[str, str], rest: str | None, named: str, body: Body) -> None:
    """Write the checks of members whose names match patterns, and of all members without another check."""
    if rest is not None:
        body.line(f"matched = {named}")
    for place, test in tests.items():
        with body.block(f"if {test}:"):
            if rest is not None:
                body.line("matched = True")
            body.line(generator.call(place, "member", "(*path, name)"))
    if rest is not None:
        with body.block("if not matched:"):
            body.line(generator.call(rest, "member", "(*path, name)"))


def _write_names(generator: Generator, names: str, body: Body) -> None:
    if generator.is_trivial(names):
        return
    with body.block("for name in value:"), body.block(f"if not {generator.test(names, 'name')}:"):
        if generator.schema(names) is False:
            reason = "No member is allowed here."
            body.line(f"add({reason!a}, (*path, name))")
        else:
            why = f"{generator.source.use('why')}({generator.check(names)}, name)"
            body.line(f'add(f"The name `{{name[:80]}}` is not allowed: {{{why}}}", (*path, name))')
