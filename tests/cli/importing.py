"""Helpers of the tests of `jobpipe import`: files with rows, the report, and the items that were created."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Jobpipe
from tests.client.service import Service


def write(path: str, text: str | bytes) -> str:
    Path(path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(*documents: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in documents)


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "d", **more}


def fields(service: Service) -> list[dict[str, Any]]:
    """Return all items without their ids, sorted by name."""
    found = sorted(service.items.values(), key=lambda each: str(each["name"]))
    return [{name: value for name, value in each.items() if name != "id"} for each in found]


def report(jobpipe: Jobpipe, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = jobpipe("import", *arguments, "--json")
    return done.exit_code, json.loads(done.stdout)
