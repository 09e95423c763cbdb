"""Finds schemas that refer to themselves, and limits how deep the functions of a check can call each other."""

from __future__ import annotations

import graphlib

from infra.collections.schema.document import SchemaDocument
from infra.collections.schema.reading import refuse

MOST_CALLS = 750
"""The maximum depth of nested calls in a check; Python allows 1,000."""
MOST_CALLS_FOR_A_VALUE = 60
MOST_LEVELS = 32
"""The maximum depth of a document."""
_CALLS = {"$ref": 3, "anyOf": 3, "oneOf": 3, "not": 2, "if": 2, "contains": 3, "propertyNames": 4}
"""The calls that a keyword needs with its helpers; other keywords need one."""
_CALLS_TO_A_MEMBER = 3
"""The calls, besides the schema's own, from a value to one of its members or elements."""

Edges = dict[str, list[tuple[str, str]]]
"""The keyword and the pointer of the schemas that each schema applies."""


def recursive_targets(document: SchemaDocument) -> set[str]:
    """Return the schemas that refer to themselves; refuse a schema whose checks nest too deep."""
    edges = {pointer: _edges(document, pointer) for pointer in document.schemas}
    targets = {child for each in edges.values() for keyword, child in each if keyword == "$ref"}
    found = {target for target in targets if target in _reachable(edges, target)}
    for_a_value = {
        pointer: [(keyword, child) for keyword, child in edges[pointer] if child in document.same_value[pointer]]
        for pointer in edges
    }
    most = MOST_CALLS // (MOST_LEVELS + 1) - _CALLS_TO_A_MEMBER if found else MOST_CALLS_FOR_A_VALUE
    _check_depth(document, for_a_value, most)
    if not found:
        _check_depth(document, edges, MOST_CALLS)
    return found


def _edges(document: SchemaDocument, pointer: str) -> list[tuple[str, str]]:
    found = [(steps[0], child) for steps, child in document.children[pointer] if steps[0] != "$defs"]
    schema = document.schemas[pointer]
    if isinstance(schema, dict) and "$ref" in schema:
        found.append(("$ref", document.target(pointer)))
    return found


def _check_depth(document: SchemaDocument, edges: Edges, most: int) -> None:
    deepest: dict[str, int] = {}
    graph = {pointer: [child for _, child in edges[pointer]] for pointer in edges}
    for pointer in graphlib.TopologicalSorter(graph).static_order():
        deepest[pointer] = max(
            (_CALLS.get(keyword, 1) + deepest[child] for keyword, child in edges[pointer]), default=1
        )
        if deepest[pointer] > most:
            refuse(document.place, pointer, "schemas are applied to one value more deeply than a check can follow")


def _reachable(edges: Edges, start: str) -> set[str]:
    waiting, seen = [start], set()
    while waiting:
        for _, child in edges[waiting.pop()]:
            if child not in seen:
                seen.add(child)
                waiting.append(child)
    return seen
