"""Log groups with more events than one answer of the log service has."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from infra.stage.log_events import LogEvents
from infra.targets.target import Target
from scripts.stage.outcomes import from_log

FULL = 10_000  # the events in one answer
STAGE = "many"


@pytest.fixture
def logs(foundation: tuple[Target, dict[str, str]]) -> Any:
    return foundation[0].client("logs")


@pytest.fixture
def group(logs: Any) -> Iterator[str]:
    name = f"/aws/lambda/jobpipe-{STAGE}-worker"
    logs.create_log_group(logGroupName=name)
    for stream in ("a", "b"):
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
    yield name
    logs.delete_log_group(logGroupName=name)


def write(logs: Any, group: str, stream: str, events: list[tuple[int, str]]) -> None:
    for first in range(0, len(events), 5_000):
        some = [{"timestamp": at, "message": text} for at, text in events[first : first + 5_000]]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=some)


def metric(name: str, **more: str) -> str:
    return json.dumps({"_aws": {}, "service": "jobpipe-worker", "stage": STAGE, name: [1], **more})


def test_every_event_is_read_once(logs: Any, group: str) -> None:
    start = int(time.time() * 1000) - 60_000
    written: dict[str, list[tuple[int, str]]] = {"a": [], "b": []}
    for n in range(2 * FULL + 700):
        # Each millisecond has 300 events, and some events are equal.
        written["ab"[n % 2]].append((start + n // 300, f"{n // 4}"))
    for stream, some in written.items():
        write(logs, group, stream, some)
    events = LogEvents(logs, group, start)
    read = sorted((event["timestamp"], event["message"]) for event in events)
    assert read == sorted([*written["a"], *written["b"]])
    assert events.is_complete


def test_events_are_incomplete_if_a_millisecond_has_more_than_an_answer(logs: Any, group: str) -> None:
    start = int(time.time() * 1000) - 60_000
    write(logs, group, "a", [*((start, str(uuid.uuid4())) for _ in range(FULL + 5)), (start + 1, "after")])
    events = LogEvents(logs, group, start)
    read = [event["message"] for event in events]
    assert not events.is_complete
    assert len(set(read)) == len(read) == FULL + 1
    assert read[-1] == "after"


def test_outcomes_are_counted_in_all_events(logs: Any, group: str) -> None:
    start = int(time.time() * 1000) - 60_000
    write(logs, group, "a", [(start + n // 50, metric("Succeeded")) for n in range(FULL + 500)])
    write(logs, group, "b", [(start + n, metric("Failed", reason="name-taken")) for n in range(300)])
    outcomes = from_log(logs, STAGE, 10)
    assert (outcomes.succeeded, outcomes.failed, outcomes.is_complete) == (FULL + 500, {"name-taken": 300}, True)
