"""Helpers of the tests of submit_many: commands, the requests that the service got, and the sending threads."""

import itertools
import threading
from typing import Any

import tenacity

from tests.client.service import Service

Command = dict[str, Any]
numbers = itertools.count()


def create(**more: Any) -> Command:
    return {"operation": "create", "item": {"name": f"Tent {next(numbers)}", "description": "For two", **more}}


def merge(item_id: str, **fields: Any) -> Command:
    return {"operation": "update", "item_id": item_id, "merge": fields}


def batches(service: Service) -> list[list[Command]]:
    return [seen.body["commands"] for seen in service.seen if (seen.method, seen.path) == ("POST", "/batches")]


def keys(service: Service) -> list[str]:
    return [seen.headers["idempotency-key"] for seen in service.seen if seen.path == "/batches"]


@tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.005), reraise=True)
def eventually(condition: Any) -> None:
    assert condition()


def senders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("jobpipe-submit")]
