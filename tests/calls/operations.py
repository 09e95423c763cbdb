"""The operations whose AWS calls are counted.

Each is prepared without counting, and then performed once. Those of the API, in api_operations, are one request
each. Those of the worker and of the dead-letter consumer, in worker_operations and dead_letter_operations, are one
batch each, of one message unless they say otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from tests.calls.lab import Lab, LambdaName

Act = Callable[[], requests.Response | None]
Prepare = Callable[[Lab], Act]

KILOBYTE = "x" * 880  # with the other fields, about the largest document that is stored in its row
LARGE = "x" * 100_000  # stored in S3 only
LONG = "x" * 300_000  # fits a message; a failed job keeps it as a claim check
HUGE = "x" * 400_000  # larger than a message can be
OPERATIONS: dict[tuple[LambdaName, str], Operation] = {}


@dataclass(frozen=True)
class Operation:
    """The preparation of an operation, which returns the act to count."""

    lambda_name: LambdaName
    prepare: Prepare
    jobs: int = 1  # the number of jobs that the counts are for


def operation(lambda_name: LambdaName, jobs: int = 1) -> Callable[[Prepare], Prepare]:
    def register(prepare: Prepare) -> Prepare:
        OPERATIONS[lambda_name, prepare.__name__] = Operation(lambda_name, prepare, jobs)
        return prepare

    return register


def document(**more: Any) -> dict[str, Any]:
    """Return a document of a typical size, with a unique name."""
    name = f"Tent {secrets.token_hex(6)}"
    return {"name": name, "description": "For two", "price": 12.95, "tags": ["light", "green"], "stock": 7, **more}


def created_item(lab: Lab, **more: Any) -> str:
    """Create an item and return its path."""
    return f"/items/{lab.end('POST', '/items', document(**more))['item_id']}"


def failed_job(lab: Lab) -> Any:
    """Return a job that failed because its name was taken."""
    taken = document()
    lab.end("POST", "/items", taken)
    return lab.end("POST", "/items", taken, status="failed")
