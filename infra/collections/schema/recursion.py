"""Finds schemas that refer to themselves, and bounds how deep the checks of a document can call each other."""

from __future__ import annotations

import graphlib

from infra.collections.schema.document import SchemaDocument
from infra.collections.schema.reading import refuse

MOST_CALLS = 750
"""The most nested calls of a check; Python allows 1,000."""
MOST_LEVELS = 32
"""The most levels of a document."""
_CALLS = {"$ref": 3, "anyOf": 3, "oneOf": 3, "not": 2, "if": 2, "contains": 2, "propertyNames": 3}
"""The calls that a keyword needs with its helpers; others need one."""


def _edges(document: SchemaDocument, pointer: str) -> list[tuple[str, str]]:
    found = [(steps[0], child) for steps, child in document.children[pointer] if steps[0] != "$defs"]
    schema = document.schemas[pointer]
    if isinstance(schema, dict) and "$ref" in schema:
        found.append(("$ref", document.target(pointer)))
    return found


def recursive_targets(document: SchemaDocument) -> set[str]:
    """Return the schemas that are referred to from within themselves; refuse one whose checks nest too deep."""
    edges = {pointer: _edges(document, pointer) for pointer in document.schemas}
    targets = {child for each in edges.values() for keyword, child in each if keyword == "$ref"}
    found = {target for target in targets if target in _reachable(edges, target)}
    levels, graph = 1, edges
    if found:
        levels = MOST_LEVELS + 1
        graph = {
            pointer: [
                (keyword, child) for keyword, child in edges[pointer] if child in document.same_value[pointer]
            ]
            for pointer in edges
        }
    deepest: dict[str, int] = {}
    for pointer in graphlib.TopologicalSorter(
        {each: [child for _, child in graph[each]] for each in graph}
    ).static_order():
        calls = [_CALLS.get(keyword, 1) + deepest[child] for keyword, child in graph[pointer]]
        deepest[pointer] = max(calls, default=1)
        if deepest[pointer] * levels > MOST_CALLS:
            refuse(document.place, pointer, "schemas are applied to one value more deeply than a check can follow")
    return found


def _reachable(edges: dict[str, list[tuple[str, str]]], start: str) -> set[str]:
    waiting, seen = [start], set()
    while waiting:
        for _, child in edges[waiting.pop()]:
            if child not in seen:
                seen.add(child)
                waiting.append(child)
    return seen
