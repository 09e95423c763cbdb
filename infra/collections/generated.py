"""Runs the generated code of a collection."""

from typing import Any


def check_of(code: str) -> Any:
    """Return the function `check` of a module that infra/collections/schema has generated."""
    module: dict[str, Any] = {"__name__": "generated"}
    exec(compile(code, "<generated>", "exec"), module)  # noqa: S102  # see above
    return module["check"]
