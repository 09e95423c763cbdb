"""Compiles schemas to the source of Python modules that need only the standard library."""

from __future__ import annotations

from typing import Any, Literal

from infra.collections.schema import types_allowed
from infra.collections.schema.document import SchemaDocument
from infra.collections.schema.generator import Generator
from infra.collections.schema.keywords import subschemas
from infra.collections.schema.metaschema import read_document
from infra.collections.schema.module_source import ModuleSource
from infra.collections.schema.types_allowed import possible_types
from infra.errors import OperatorError

_ENTRY = '''def {name}(document, add):
    """Call add(detail, path) for each violation of the document, at most 20 times."""
    run({root}, document, add)'''


def compile_schema(schema: Any, place: str) -> str:
    """Return the source of a module with `check(document, add)`, for documents, which are objects.

    Raise OperatorError, with file and place, if this is not a schema, is not supported, or accepts no document.
    """
    document = read_document(schema, place)
    if "object" not in possible_types(document, ""):
        raise OperatorError(f"{place}: the schema accepts no document; a document is an object")
    return _compile(document)


def compile_value_schema(schema: Any, place: str) -> str:
    """Like `compile_schema`, but for values of any type, and even for a schema that accepts no value."""
    return _compile(read_document(schema, place))


def compile_members(takes: dict[str, Any], optional: dict[str, Any], place: str) -> str:
    """Return the source of a module with a `check` of an operation's members. Members in `takes` are required."""
    source = ModuleSource()
    _add_entry(source, Generator(source, _members_document(takes, optional, place)), "check")
    return source.text("Checks the members of an operation. Generated.")


def compile_operations(operations: dict[str, tuple[dict[str, Any], dict[str, Any]]], place: str) -> str:
    """Return the source of a module with CHECKS, which has the check of the members of each operation by name."""
    source = ModuleSource()
    rows = []
    for name, (takes, optional) in operations.items():
        words = name.replace("-", "_")
        document = _members_document(takes, optional, f"{place}, operation {name}")
        _add_entry(source, Generator(source, document, words), f"check_{words}")
        rows.append(f"    {name!a}: check_{words},")
    source.tables.append("\n".join(["CHECKS = {", *rows, "}"]) if rows else "CHECKS = {}")
    return source.text("Checks the members of each operation. Generated.")


def field_type(schema: Any, field: str) -> Literal["string", "integer"] | None:
    """Return the only type, apart from null, that a valid schema allows for a field of a document, or None."""
    return types_allowed.field_type(read_document(schema, "the schema"), field)


def _compile(document: SchemaDocument) -> str:
    source = ModuleSource()
    _add_entry(source, Generator(source, document), "check")
    return source.text("Checks documents by a schema. Generated.")


def _add_entry(source: ModuleSource, generator: Generator, name: str) -> None:
    source.use("run")
    root = generator.generate()
    source.functions.append(_ENTRY.format(name=name, root=root))


def _members_document(takes: dict[str, Any], optional: dict[str, Any], place: str) -> SchemaDocument:
    twice = sorted(takes.keys() & optional.keys())
    if twice:
        raise OperatorError(f"{place}: {twice[0]!r} is both taken and optional")
    properties = {}
    for name, schema in {**takes, **optional}.items():
        here = f"{place}, {name!r}"
        member = read_document(schema, here)
        if not possible_types(member, ""):
            raise OperatorError(f"{here}: the schema accepts no value")
        properties[name] = _moved(member.schemas[""], "#/properties/" + name.replace("~", "~0").replace("/", "~1"))
    whole = {"type": "object", "properties": properties, "required": list(takes), "additionalProperties": False}
    return read_document(whole, place)


def _moved(schema: Any, base: str) -> Any:
    """Return a copy whose references from its root lead to its new place."""
    if not isinstance(schema, dict):
        return schema
    copy = {keyword: value for keyword, value in schema.items() if keyword != "$id"}
    if isinstance(copy.get("$ref"), str) and (copy["$ref"] == "#" or copy["$ref"].startswith("#/")):
        copy["$ref"] = base + copy["$ref"][1:]
    for steps, child in subschemas(schema):
        keyword, *rest = steps
        if not rest:
            copy[keyword] = _moved(child, base)
        elif isinstance(copy[keyword], list):
            copy[keyword] = [
                _moved(child, base) if str(n) == rest[0] else each for n, each in enumerate(copy[keyword])
            ]
        else:
            copy[keyword] = {**copy[keyword], rest[0]: _moved(child, base)}
    return copy
