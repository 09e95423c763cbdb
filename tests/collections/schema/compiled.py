"""Runs compiled schemas as the Lambdas do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.collections.schema import compile_value_schema

Violation = tuple[tuple[str | int, ...], str]
Check = Callable[[Any], list[Violation]]


def load(source: str, name: str = "check") -> Check:
    """Return a function that returns the violations of a value, by the source of a compiled schema."""
    module: dict[str, Any] = {}
    exec(compile(source, "schema.py", "exec"), module)  # noqa: S102

    def check(value: Any) -> list[Violation]:
        found: list[Violation] = []
        checks = module["CHECKS"] if name not in module else module
        checks[name](value, lambda detail, path: found.append((path, detail)))
        return found

    return check


def checker(schema: Any) -> Check:
    """Return a function that returns the violations of a value of any type."""
    return load(compile_value_schema(schema, "schema.json"))
