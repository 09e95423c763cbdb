"""A schema, with all schemas within it that references can name."""

from __future__ import annotations

import graphlib
from typing import Any
from urllib.parse import unquote, urljoin

from infra.collections.schema.keywords import DIALECT, complaint, subschemas
from infra.collections.schema.reading import refuse, shown, step

IN_PLACE = ("$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
"""Keywords that apply a schema to the same value."""


class SchemaDocument:
    """The schemas of a document by JSON Pointer. Raise OperatorError for what is not supported."""

    def __init__(self, root: Any, place: str) -> None:
        self.place = place
        self.schemas: dict[str, Any] = {}
        self.children: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self.anchors: dict[str, str] = {}
        self.types: dict[str, frozenset[str]] = {}
        self.open = 0
        self.recursive: set[str] = set()
        self.base = root.get("$id", "") if isinstance(root, dict) and isinstance(root.get("$id"), str) else ""
        self._add("", root)

    def _add(self, pointer: str, schema: Any) -> None:
        self.schemas[pointer] = schema
        self.children[pointer] = []
        if isinstance(schema, dict):
            self._check_keywords(pointer, schema)
        for steps, each in subschemas(schema):
            child = pointer + "".join(map(step, steps))
            self.children[pointer].append((steps, child))
            self._add(child, each)

    def _check_keywords(self, pointer: str, schema: dict[str, Any]) -> None:
        for keyword in schema:
            reason = complaint(keyword)
            if reason:
                refuse(self.place, pointer, reason)
        dialect = schema.get("$schema", DIALECT)
        if not isinstance(dialect, str) or dialect.removesuffix("#") != DIALECT:
            refuse(self.place, pointer + "/$schema", f"the only supported dialect is {DIALECT}")
        if "$id" in schema and pointer:
            refuse(self.place, pointer + "/$id", "$id is supported at the root only")
        anchor = schema.get("$anchor")
        if isinstance(anchor, str):
            if anchor in self.anchors:
                refuse(self.place, pointer + "/$anchor", f"the anchor {anchor!r} appears twice")
            self.anchors[anchor] = pointer

    def check_references(self) -> None:
        """Refuse a reference that leads outside the document, nowhere, or back to itself without progress."""
        graph: dict[str, list[str]] = {}
        for pointer, schema in self.schemas.items():
            same_value = [child for steps, child in self.children[pointer] if steps[0] in IN_PLACE]
            if isinstance(schema, dict) and "$ref" in schema:
                same_value.append(self.target(pointer))
            graph[pointer] = same_value
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            loop = " → ".join(f"#{each}" for each in reversed(error.args[1]))
            refuse(self.place, error.args[1][-1], f"the schema refers to itself for the same value: {shown(loop)}")
        self.same_value = graph

    def target(self, pointer: str) -> str:
        """Return the pointer of the schema that a schema's $ref refers to."""
        reference = self.schemas[pointer]["$ref"]
        there, _, fragment = reference.partition("#")
        base = self.base.partition("#")[0]
        if there and there != base:
            try:
                there = urljoin(base, there)
            except ValueError:
                there = ""
            if there != base or not base:
                refuse(
                    self.place,
                    pointer + "/$ref",
                    f"{shown(reference)!r} is not in this file; only references that start with # are supported",
                )
        fragment = unquote(fragment)
        found = fragment if not fragment or fragment.startswith("/") else self.anchors.get(fragment, "?")
        if found not in self.schemas:
            refuse(self.place, pointer + "/$ref", f"{shown(reference)!r} refers to no schema in this file")
        return found
