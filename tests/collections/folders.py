"""Folders of collections for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOML = """\
title = "Order"
key = "number"
unique = ["invoice"]
indexes = ["customer"]
"""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "minLength": 1, "maxLength": 64},
        "invoice": {"type": "integer"},
        "customer": {"type": "string", "minLength": 1},
        "status": {"enum": ["open", "paid", "shipped"]},
        "carrier": {"type": "string"},
        "shipped_at": {"type": "string"},
        "total": {"type": "number", "minimum": 0, "multipleOf": 0.01},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["number", "customer", "status"],
    "additionalProperties": False,
}
OPERATIONS = '''\
from jobpipe.operation import Event, Refused, operation


@operation(takes={"carrier": {"type": "string", "minLength": 1}}, optional={"note": {"type": "string"}})
def ship(order, carrier, note=None, *, at):
    """Ship a paid order."""
    if order["status"] != "paid":
        raise Refused("not-paid", "Only a paid order can be shipped.")
    shipped = {**order, "status": "shipped", "carrier": carrier, "shipped_at": at}
    return shipped, Event("shipped", {"carrier": carrier})
'''


def write_orders(folder: Path, name: str = "orders", **changed: str | None) -> Path:
    """Write a valid collection with these files changed, by their stem; None leaves one out."""
    files = {"collection.toml": TOML, "schema.json": json.dumps(SCHEMA), "operations.py": OPERATIONS}
    suffixes = {"collection": "toml", "schema": "json"}
    for stem, text in changed.items():
        files[f"{stem}.{suffixes.get(stem, 'py')}"] = text or ""
        if text is None:
            del files[f"{stem}.{suffixes.get(stem, 'py')}"]
    for file, text in files.items():
        path = folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def schema_with(**properties: Any) -> str:
    """Return the schema with these properties too."""
    return json.dumps({**SCHEMA, "properties": {**SCHEMA["properties"], **properties}})


def change(body: str, head: str = "", decorator: str = "@operation()") -> str:
    """Return an operations.py whose operation `change` begins in line 5; `head` is its second line."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    start = f"from jobpipe.operation import Event, Refused, operation\n{head}\n\n{decorator}\n"
    return f'{start}def change(order, *, at):\n    """Change it."""\n{lines}'
