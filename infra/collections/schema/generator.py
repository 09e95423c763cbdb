"""Generates a function for each schema within a schema."""

from __future__ import annotations

from typing import Any

from infra.collections.schema.document import SchemaDocument
from infra.collections.schema.keywords import CLAIMED
from infra.collections.schema.module_source import Body, ModuleSource
from infra.collections.schema.reading import step

_WITHOUT_EFFECT = {"$defs", "$anchor"}


class Generator:
    """Adds the functions of a document to a module."""

    def __init__(self, source: ModuleSource, document: SchemaDocument, prefix: str = "") -> None:
        self.source = source
        self.document = document
        self._prefix = prefix
        self._names: dict[tuple[str, str], str] = {}
        self._waiting: list[str] = []

    def generate(self) -> str:
        """Add all functions that the root needs, and return the root's name."""
        from infra.collections.schema.assertions import write_function  # noqa: PLC0415 - each needs the other

        root = self.check("")
        while self._waiting:
            write_function(self, self._waiting.pop(0))
        return root

    def schema(self, pointer: str) -> Any:
        """Return the schema at a pointer."""
        return self.document.schemas[pointer]

    def child(self, pointer: str, *steps: str) -> str:
        """Return the pointer of a schema within another."""
        return pointer + "".join(map(step, steps))

    def is_trivial(self, pointer: str) -> bool:
        """Return whether the schema accepts everything and has no members or elements to name."""
        schema = self.schema(self.resolved(pointer))
        return schema is True or (isinstance(schema, dict) and not _effective(schema))

    def resolved(self, pointer: str) -> str:
        """Return the pointer of a schema, or of the schema it refers to if it has no other keywords."""
        while _effective(self.schema(pointer)) == ["$ref"]:
            pointer = self.document.target(pointer)
        return pointer

    def is_recursive(self, pointer: str) -> bool:
        """Return whether a schema refers to itself."""
        return self.resolved(pointer) in self.document.recursive

    def check(self, pointer: str) -> str:
        """Return the name of the function that checks by a schema, which is generated if it is new."""
        pointer = self.resolved(pointer)
        if self.is_trivial(pointer):
            return self.source.use("anything")
        if self.schema(pointer) is False:
            return self.source.use("nothing")
        key = ("check", pointer)
        if key not in self._names:
            self._names[key] = self.new_name(pointer)
            self._waiting.append(pointer)
        return self._names[key]

    def new_name(self, pointer: str, suffix: str = "") -> str:
        """Return a new name that shows the place."""
        words = [each for each in pointer.split("/") if each not in ("", "properties", "$defs")]
        return self.source.new_name(
            "_".join([*([self._prefix] if self._prefix else []), *(words or ["root"]), suffix])
        )

    def call(self, pointer: str, value: str = "value", path: str = "path") -> str:
        """Return the statement that checks a value by a schema."""
        name = self.check(pointer)
        if self.is_recursive(pointer):
            return f"{self.source.use('visit')}({name}, {value}, {path}, add, known)"
        return f"{name}({value}, {path}, add, known)"

    def reference(self, pointer: str) -> str:
        """Return an expression for a function that checks a value by a schema."""
        name = self.check(pointer)
        if self.is_recursive(pointer):
            visit = self.source.use("visit")
            return f"lambda value, path, add, known: {visit}({name}, value, path, add, known)"
        return name

    def test(self, pointer: str, value: str = "value") -> str:
        """Return an expression that is true if a value fits a schema."""
        return f"{self.source.use('passes')}({self.check(pointer)}, {value}, known)"

    def named(self, kind: str, pointer: str, suffix: str) -> tuple[str, bool]:
        """Return the name of another function for a schema, and whether it is new."""
        key = (kind, pointer)
        new = key not in self._names
        if new:
            self._names[key] = self.new_name(pointer, suffix)
        return self._names[key], new

    def add_function(self, name: str, parameters: str, pointer: str, body: Body) -> None:
        """Add a function, with the place of its schema as a comment."""
        place = ascii(f"#{pointer}")[1:-1]
        lines = body.lines or ["    pass"]
        self.source.functions.append("\n".join([f"def {name}({parameters}):", f"    # {place[:100]}", *lines]))


def _effective(schema: Any) -> list[str]:
    """Return the keywords that refuse values or name members."""
    if not isinstance(schema, dict):
        return []
    return [each for each in schema if each in CLAIMED and each not in _WITHOUT_EFFECT]
