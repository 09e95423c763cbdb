"""Examples of answers in the OpenAPI document, for schemas from which tools cannot make a valid one."""

from __future__ import annotations

from typing import Any

from jobpipe.domain.errors import NotFound
from jobpipe.domain.job import Status

from .openapi_schemas import EXAMPLE_ITEM, EXAMPLE_ITEM_ID, EXAMPLE_JOB, type_of

EXAMPLE_REQUEST_ID = "1f0c5a52-6a4e-4b1c-9f53-2f1f7f0f8f6e"


def example_problem(kind: str, title: str, status: int, detail: str) -> dict[str, Any]:
    """A problem document as the API answers it."""
    return {
        "type": kind,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": EXAMPLE_REQUEST_ID,
    }


EXAMPLE_SHOWN_ITEM = {"id": EXAMPLE_ITEM_ID, **EXAMPLE_ITEM}
EXAMPLE_FAILED_JOB = {
    **EXAMPLE_JOB,
    "status": Status.FAILED.value,
    "done": True,
    "operation": "read",
    "attempts": 1,
    "error": {
        "type": type_of(NotFound.slug),
        "title": NotFound.title,
        "status": NotFound.status,
        "detail": f"There is no item {EXAMPLE_ITEM_ID}.",
    },
}
