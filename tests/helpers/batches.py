"""Helpers of unit tests that send and read batches."""

from __future__ import annotations

from typing import Any

from tests.helpers.pipeline import Answer, Pipeline

KEY = {"idempotency-key": "order-7"}


def create(name: str, **more: Any) -> dict[str, Any]:
    return {"operation": "create", "item": {"name": name, "description": "d", **more}}


def merge(item_id: str, **fields: Any) -> dict[str, Any]:
    return {"operation": "update", "item_id": item_id, "merge": fields}


def post(pipeline: Pipeline, *commands: Any, **options: Any) -> Answer:
    return pipeline.request("POST", "/batches", {"commands": list(commands)}, **options)


def shown(pipeline: Pipeline, answer: Answer, **options: Any) -> Any:
    found = pipeline.request("GET", f"/batches/{answer.json['id']}", **options)
    assert found.status == 200, found.text
    return found.json


def kinds(answer: Answer) -> list[str]:
    """Return for each entry the status of its job or of its problem."""
    return [
        entry["job"]["status"] if "job" in entry else str(entry["problem"]["status"])
        for entry in answer.json["entries"]
    ]


def an_item(pipeline: Pipeline, name: str = "Tent") -> str:
    return str(pipeline.do("POST", "/items", {"name": name, "description": "d"})["item_id"])
