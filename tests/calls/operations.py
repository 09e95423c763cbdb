"""Every operation, prepared uncounted and then done once under the meter.

Those of the API are in api_operations, one request each; those of the worker in worker_operations, and of the
dead-letter queue's consumer in dead_letter_operations, a batch each, of one command unless they say otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from tests.calls.lab import Lab, Side

Act = Callable[[], requests.Response | None]
Prepare = Callable[[Lab], Act]

KILOBYTE = "x" * 880  # about the most that stands in the rows, with the other fields
LARGE = "x" * 100_000  # far over it
HUGE = "x" * 210_000  # over what a message holds
OPERATIONS: dict[tuple[Side, str], Operation] = {}


@dataclass(frozen=True)
class Operation:
    """What is done before, and once under the meter."""

    side: Side
    prepare: Prepare
    jobs: int = 1  # what is counted belongs to so many


def operation(side: Side, jobs: int = 1) -> Callable[[Prepare], Prepare]:
    def add(prepare: Prepare) -> Prepare:
        OPERATIONS[side, prepare.__name__] = Operation(side, prepare, jobs)
        return prepare

    return add


def document(**more: Any) -> dict[str, Any]:
    """A small one of a typical size; its name is nobody else's."""
    name = f"Tent {secrets.token_hex(6)}"
    return {"name": name, "description": "For two", "price": 12.95, "tags": ["light", "green"], "stock": 7, **more}


def existing(lab: Lab, **more: Any) -> str:
    """The path of an item."""
    return f"/items/{lab.ended('POST', '/items', document(**more))['item_id']}"


def failed(lab: Lab) -> Any:
    """A job that failed: its name was taken."""
    taken = document()
    lab.ended("POST", "/items", taken)
    return lab.ended("POST", "/items", taken, status="failed")
