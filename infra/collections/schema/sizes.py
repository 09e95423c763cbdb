"""Writes the checks of the length of a string, and of the size of an array or an object."""

from __future__ import annotations

from typing import Any

from infra.collections.schema import sentences
from infra.collections.schema.module_source import Body


def write_size_limits(schema: dict[str, Any], suffix: str, subject: str, unit: str, body: Body) -> None:
    """Write the keywords `min` and `max` with the suffix, such as `Items`; errors count the subject in units."""
    for keyword, operator, words in ((f"min{suffix}", "<", "at least"), (f"max{suffix}", ">", "at most")):
        if keyword in schema:
            with body.block(f"if len(value) {operator} {schema[keyword]}:"):
                sentence = f"{subject} must have {words} {sentences.count(schema[keyword], unit)}."
                body.line(f"add({sentence!a}, path)")
